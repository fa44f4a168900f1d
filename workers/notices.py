"""Notifications that the system sends: each is a stream of its own, so it is sent once."""

from uuid import UUID

from domain.notification import NOTIFICATION, SendNotification
from workers.model import Context


async def notify(context: Context, stream: UUID, notice: SendNotification) -> None:
    """Send it; once more with the same `stream`, which is also the command's id, is nothing."""
    await context.runtime.execute(
        context.origin, NOTIFICATION, stream, notice, command_id=stream, project=notice.project
    )
