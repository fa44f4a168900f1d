"""Notify those whom a comment mentions."""

from uuid import UUID, uuid5

from domain.kernel import Recorded
from domain.notification import SendNotification
from domain.preferences import Notice
from domain.task import CommentAdded, CommentEdited
from workers.model import NOTIFICATIONS, Args, Context, Job
from workers.notices import channels_for, event_at, notify
from workers.people import about

MAX_QUOTE = 280  # characters


class Mentioned(Args, frozen=True):
    """Not the comment's words: who reads the jobs may not read the project."""

    user: UUID
    task: UUID
    by: UUID | None

    @property
    def key(self) -> str:
        return str(self.user)


def react(recorded: Recorded[CommentAdded | CommentEdited]) -> list[Mentioned]:
    event = recorded.event
    by = event.author if isinstance(event, CommentAdded) else recorded.meta.actor
    return [Mentioned(user, recorded.stream, by) for user in event.mentions if user != by]


async def run(context: Context, args: Mentioned) -> None:
    task = await about(context.runtime, args.user, args.task, args.by)
    comment = (await event_at(context.runtime, context.position)).event
    words = comment.body if isinstance(comment, CommentAdded | CommentEdited) else ""
    notice = SendNotification(
        user=args.user,
        kind=Notice.MENTIONED,
        title=f"{task.by} mentioned you",
        body=words[:MAX_QUOTE],
        link=task.path,
        project=task.project,
        at=context.runtime.now(),
    )
    channels = await channels_for(context.runtime, args.user, Notice.MENTIONED)
    await notify(context, uuid5(args.user, f"mentioned:{context.position}"), notice, channels)


JOB = Job("notify_mentioned", NOTIFICATIONS, Mentioned, run, (CommentAdded, CommentEdited), react)
