"""Notify somebody to whom somebody else gave a task."""

from uuid import UUID, uuid5

from domain.kernel import Recorded
from domain.notification import SendNotification
from domain.preferences import Notice
from domain.task import TaskAssigned
from workers.model import NOTIFICATIONS, Args, Context, Job
from workers.notices import channels_for, notify
from workers.people import about


class Assigned(Args, frozen=True):
    user: UUID
    task: UUID
    by: UUID | None

    @property
    def key(self) -> str:
        return str(self.user)


def react(recorded: Recorded[TaskAssigned]) -> list[Assigned]:
    user, by = recorded.event.assignee, recorded.meta.actor
    if user is None or user == by:
        return []
    return [Assigned(user, recorded.stream, by)]


async def run(context: Context, args: Assigned) -> None:
    task = await about(context.runtime, args.user, args.task, args.by)
    notice = SendNotification(
        user=args.user,
        kind=Notice.ASSIGNED,
        title=f"{task.by} assigned a task to you",
        body=task.title,
        link=task.path,
        project=task.project,
        at=context.runtime.now(),
    )
    channels = await channels_for(context.runtime, args.user, Notice.ASSIGNED)
    await notify(context, uuid5(args.user, f"assigned:{context.position}"), notice, channels)


JOB = Job("notify_assigned", NOTIFICATIONS, Assigned, run, (TaskAssigned,), react)
