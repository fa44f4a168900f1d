"""Mail a person's digest: what was collected and is not read yet, as far as they may read it."""

from uuid import UUID

from domain.access import Action
from domain.digest import DigestStarted
from domain.kernel import Recorded
from domain.notification import Mailed
from domain.preferences import PREFERENCES, preferences_stream
from infra.unsubscribing import unsubscribe_link
from projections.notifications import NotificationRow, unread_daily
from projections.read import reading
from workers.letters import letter
from workers.mail_notice import BULK
from workers.model import EMAIL, Args, Context, Job
from workers.people import active
from workers.rights import may

MOST = 100  # notices of one mail; the app has them all


class MailDigest(Args, frozen=True):
    """Of what was sent after one position, up to another."""

    user: UUID
    after: int
    upto: int


def react(recorded: Recorded[DigestStarted]) -> list[MailDigest]:
    event = recorded.event
    return [MailDigest(event.user, event.after, event.upto)]


async def run(context: Context, args: MailDigest) -> None:
    """Nothing is left to tell where all of it was read meanwhile."""
    runtime = context.runtime
    person = await active(runtime, args.user)
    found = await _unread(context, args)
    notices = await _allowed(context, args.user, found[:MOST])
    if not notices:
        return
    count = len(notices)
    mail = letter(
        "digest",
        person,
        f"{count} notice{'s' if count > 1 else ''} that you have not read",
        unsubscribe_link(runtime.settings, args.user, None),
        notices=notices,
        more=len(found) > MOST,
        link=runtime.settings.public_url,
    )
    await context.mail.send(mail, context.job)


async def _unread(context: Context, args: MailDigest) -> list[NotificationRow]:
    """Of the kinds that are still wanted daily."""
    stream = preferences_stream(args.user)
    preferences = (await context.runtime.load(PREFERENCES, stream)).state
    async with reading(context.runtime, min_position=context.position) as db:
        return await unread_daily(
            db,
            args.user,
            preferences.by_mail(Mailed.DAILY),
            after=args.after,
            upto=args.upto,
            limit=MOST + 1,
        )


async def _allowed(
    context: Context, user: UUID, notices: list[NotificationRow]
) -> list[NotificationRow]:
    projects = {one.project for one in notices if one.project is not None}
    readable = {
        project
        for project in projects
        if await may(context.runtime, Action.TASK_READ, user, project)
    }
    return [one for one in notices if one.project is None or one.project in readable]


JOB = Job("mail_digest", EMAIL, MailDigest, run, (DigestStarted,), react, priority=BULK)
