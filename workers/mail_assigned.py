"""Mail somebody to whom somebody else gave a task."""

from uuid import UUID

from domain.kernel import Recorded
from domain.task import TaskAssigned
from workers.letters import letter
from workers.model import EMAIL, Args, Context, Job
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
    mail = letter(
        "assigned",
        task.person,
        f"{task.by} assigned “{task.title}” to you",
        about=task,
        link=context.runtime.settings.public_url + task.path,
    )
    await context.mail.send(mail, context.job)


JOB = Job("mail_assigned", EMAIL, Assigned, run, (TaskAssigned,), react)
