"""Notifications that the system sends: each is a stream of its own, so it is sent once."""

from collections.abc import Mapping
from uuid import UUID, uuid5

from domain.errors import Refused
from domain.notification import NOTIFICATION, SendNotification
from infra.eventstore.execute import Do
from infra.eventstore.types import NEW, Conflict
from workers.model import Context
from workers.together import together


async def notify(context: Context, stream: UUID, notice: SendNotification) -> None:
    """Send it; once more with the same `stream`, which is also the command's id, is nothing.

    Nothing is read before: if it was sent, the append tells.
    """
    await context.runtime.execute(
        context.origin,
        NOTIFICATION,
        stream,
        notice,
        command_id=stream,
        expected=NEW,
        project=notice.project,
    )


async def notify_all(context: Context, notices: Mapping[UUID, SendNotification]) -> None:
    """Send all in one append, which costs a fraction; by stream, and none of them twice.

    Where one of them was sent before, by an attempt at others, they go one by one.
    """
    parts = [Do(NOTIFICATION, stream, notice, NEW) for stream, notice in notices.items()]
    if not parts:
        return
    first, *others = parts
    all_of_them = uuid5(first.stream, "".join(stream.hex for stream in notices))
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
        await together(notices.items(), lambda one: notify(context, *one))
