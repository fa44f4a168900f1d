"""Bring an announcement to everybody whom it is for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from domain.announcement import AnnouncementPublished
from domain.kernel import Recorded
from domain.notification import Level, SendNotification
from domain.preferences import Channels, Notice
from domain.user import Role, UserStatus
from projections.preferences import channels_of
from projections.read import reading
from projections.users import UserRow, active_users, count_users
from workers.model import NOTIFICATIONS, Args, Context, Job
from workers.notices import notify_all

PAGE = 500  # people, told at once: they share the log's transactions


class Announce(Args, frozen=True):
    announcement: UUID
    title: str
    body: str
    level: Level
    roles: tuple[Role, ...]  # empty: everybody


def react(recorded: Recorded[AnnouncementPublished]) -> list[Announce]:
    event = recorded.event
    return [Announce(recorded.stream, event.title, event.body, event.level, event.roles)]


async def run(context: Context, args: Announce) -> None:
    """Page by page. A retry starts over: whoever has the message gets no second one."""
    async with reading(context.runtime, min_position=context.position) as db:
        total, told = await count_users(db, UserStatus.ACTIVE), 0
    after = UUID(int=0)
    while page := await _people(context, after):
        concerned = [user.id for user in page if not args.roles or user.role in args.roles]
        channels = await _channels(context, concerned)
        await notify_all(context, _notices(args, channels, context.runtime.now()))
        after, told = page[-1].id, told + len(page)
        await context.report(told, total)


def _notices(
    args: Announce, channels: Mapping[UUID, Channels], at: datetime
) -> dict[UUID, SendNotification]:
    """By their streams: of each announcement one for each person."""
    return {
        uuid5(args.announcement, user.hex): SendNotification(
            user=user,
            kind=Notice.ANNOUNCEMENT,
            title=args.title,
            body=args.body,
            level=args.level,
            at=at,
            in_app=ways.in_app,
            email=ways.email,
        )
        for user, ways in channels.items()
    }


async def _people(context: Context, after: UUID) -> list[UserRow]:
    """The active users, as far as they were registered before the announcement."""
    async with reading(context.runtime, min_position=context.position) as db:
        return await active_users(db, after, PAGE)


async def _channels(context: Context, users: Sequence[UUID]) -> Mapping[UUID, Channels]:
    """With the ways by which each is told, as they were chosen before the announcement."""
    async with reading(context.runtime, min_position=context.position) as db:
        return await channels_of(db, Notice.ANNOUNCEMENT, users)


JOB = Job(
    "announce", NOTIFICATIONS, Announce, run, (AnnouncementPublished,), react, timeout_s=900.0
)
