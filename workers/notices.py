"""Notices that the system sends: each is a stream of its own, so it is sent once."""

from uuid import UUID

import msgspec

from domain.errors import NotFound
from domain.kernel import Event, Recorded
from domain.notification import NOTIFICATION, SendNotification
from domain.preferences import PREFERENCES, Channels, Notice, preferences_stream
from infra.eventstore.types import NEW
from infra.runtime import Runtime
from workers.model import Context


async def notify(
    context: Context, stream: UUID, notice: SendNotification, channels: Channels
) -> None:
    """Send it by the ways on which it is wanted.

    Once more with the same `stream`, which is also the command's id, is nothing.
    """
    notice = msgspec.structs.replace(notice, in_app=channels.in_app, email=channels.email)
    if notice.wanted:
        await context.runtime.execute(
            context.origin,
            NOTIFICATION,
            stream,
            notice,
            command_id=stream,
            expected=NEW,
            project=notice.project,
        )


async def channels_for(runtime: Runtime, user: UUID, notice: Notice) -> Channels:
    """As they prefer it now."""
    return (await runtime.load(PREFERENCES, preferences_stream(user))).state.of(notice)


async def event_at(runtime: Runtime, position: int) -> Recorded[Event]:
    found = await runtime.store.read(position - 1, 1, motion=False)
    if not found or found[0].position != position:
        raise NotFound("event.not_found", position=position)
    return found[0]
