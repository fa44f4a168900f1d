"""Mail those whom a comment mentions."""

from uuid import UUID

from domain.kernel import Recorded
from domain.task import CommentAdded, CommentEdited
from workers.letters import letter
from workers.model import EMAIL, Args, Context, Job
from workers.people import about


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


async def words(context: Context) -> str:
    """What the comment said."""
    found = await context.runtime.store.read(context.position - 1, 1, motion=False)
    event = found[0].event if found else None
    return event.body if isinstance(event, CommentAdded | CommentEdited) else ""


async def run(context: Context, args: Mentioned) -> None:
    task = await about(context.runtime, args.user, args.task, args.by)
    mail = letter(
        "mentioned",
        task.person,
        f"{task.by} mentioned you on “{task.title}”",
        about=task,
        words=await words(context),
        link=context.runtime.settings.public_url + task.path,
    )
    await context.mail.send(mail, context.job)


JOB = Job("mail_mentioned", EMAIL, Mentioned, run, (CommentAdded, CommentEdited), react)
