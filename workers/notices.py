"""Notices that the system sends: each is a stream of its own, so it is sent once."""

from collections.abc import Mapping
from contextlib import suppress
from uuid import UUID, uuid5

import msgspec

from domain.errors import NotFound, Refused
from domain.kernel import Event, Recorded
from domain.notification import NOTIFICATION, SendNotification
from domain.preferences import PREFERENCES, Channels, Notice, preferences_stream
from infra.eventstore.execute import Do, WrongVersion
from infra.eventstore.types import NEW, Conflict
from infra.runtime import Runtime
from workers.model import Context
from workers.together import together


async def notify(
    context: Context, stream: UUID, notice: SendNotification, channels: Channels
) -> None:
    """Send it by the ways on which it is wanted.

    Once more with the same `stream`, which is also the command's id, is nothing.
    """
    notice = msgspec.structs.replace(notice, in_app=channels.in_app, email=channels.email)
    if notice.wanted:
        await _send(context, stream, notice)


async def notify_all(context: Context, notices: Mapping[UUID, SendNotification]) -> None:
    """Send those that are wanted in one append, which costs a fraction; none of them twice.

    They are named by their streams. Where one was sent before, by an attempt at others, they go
    one by one.
    """
    wanted = {stream: notice for stream, notice in notices.items() if notice.wanted}
    parts = [Do(NOTIFICATION, stream, notice, NEW) for stream, notice in wanted.items()]
    if not parts:
        return
    first, *others = parts
    all_of_them = uuid5(first.stream, "".join(stream.hex for stream in wanted))
    try:
        await context.runtime.execute(
            context.origin,
            NOTIFICATION,
            first.stream,
            first.command,
            *others,
            command_id=all_of_them,
            expected=NEW,
        )
    except (Refused, Conflict):
        await together(wanted.items(), lambda one: _send_once(context, *one))


async def _send_once(context: Context, stream: UUID, notice: SendNotification) -> None:
    """Nothing where an append of many has brought it."""
    with suppress(WrongVersion, Conflict):
        await _send(context, stream, notice)


async def _send(context: Context, stream: UUID, notice: SendNotification) -> None:
    """Nothing is read before: if it was sent, the append tells."""
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
