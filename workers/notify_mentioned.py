"""Notify those whom a comment mentions."""

from uuid import uuid5

from domain.notification import SendNotification
from domain.task import CommentAdded, CommentEdited
from workers.mail_mentioned import Mentioned, react, words
from workers.model import NOTIFICATIONS, Context, Job
from workers.notices import notify
from workers.people import about

MAX_QUOTE = 280  # characters


async def run(context: Context, args: Mentioned) -> None:
    task = await about(context.runtime, args.user, args.task, args.by)
    notice = SendNotification(
        user=args.user,
        kind="task.mentioned",
        title=f"{task.by} mentioned you",
        body=(await words(context))[:MAX_QUOTE],
        link=task.path,
        project=task.project,
        at=context.runtime.now(),
    )
    await notify(context, uuid5(args.user, f"mentioned:{context.position}"), notice)


JOB = Job("notify_mentioned", NOTIFICATIONS, Mentioned, run, (CommentAdded, CommentEdited), react)
