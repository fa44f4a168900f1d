"""Notify somebody to whom somebody else gave a task."""

from uuid import uuid5

from domain.notification import SendNotification
from domain.task import TaskAssigned
from workers.mail_assigned import Assigned, react
from workers.model import NOTIFICATIONS, Context, Job
from workers.notices import notify
from workers.people import about


async def run(context: Context, args: Assigned) -> None:
    task = await about(context.runtime, args.user, args.task, args.by)
    notice = SendNotification(
        user=args.user,
        kind="task.assigned",
        title=f"{task.by} assigned a task to you",
        body=task.title,
        link=task.path,
        project=task.project,
        at=context.runtime.now(),
    )
    await notify(context, uuid5(args.user, f"assigned:{context.position}"), notice)


JOB = Job("notify_assigned", NOTIFICATIONS, Assigned, run, (TaskAssigned,), react)
