"""Mail a notice at once to whoever wants it so.

What the notice says may be less than what led to it: a mail tells that whole, as long as the
person may read it.
"""

from uuid import UUID

from domain.errors import WrongState
from domain.kernel import Event, Recorded
from domain.notification import Mailed, NotificationSent
from domain.preferences import Notice
from domain.task import CommentAdded, CommentEdited, TaskAssigned
from infra.mail import Letter
from infra.unsubscribing import unsubscribe_link
from workers.letters import letter
from workers.model import EMAIL, Args, Context, Job
from workers.notices import channels_for, event_at
from workers.people import About, about, active

ABOUT_TASKS = (Notice.ASSIGNED, Notice.MENTIONED)
BULK = 7  # priority: what went to everybody must not hold up what was meant for one


class MailNotice(Args, frozen=True):
    """Not the words: who reads the jobs may not read the project."""

    user: UUID
    notice: Notice


def react(recorded: Recorded[NotificationSent]) -> list[MailNotice]:
    return [args for args in _at_once(recorded) if args.notice is not Notice.ANNOUNCEMENT]


def announced(recorded: Recorded[NotificationSent]) -> list[MailNotice]:
    return [args for args in _at_once(recorded) if args.notice is Notice.ANNOUNCEMENT]


def _at_once(recorded: Recorded[NotificationSent]) -> list[MailNotice]:
    event = recorded.event
    if event.email is not Mailed.AT_ONCE:
        return []
    return [MailNotice(event.user, Notice(event.kind))]


async def run(context: Context, args: MailNotice) -> None:
    channels = await channels_for(context.runtime, args.user, args.notice)
    if channels.email is Mailed.NEVER:
        raise WrongState("preferences.unsubscribed", notice=args.notice)
    await context.mail.send(await _letter(context, args), context.job)


async def _letter(context: Context, args: MailNotice) -> Letter:
    runtime = context.runtime
    stop = unsubscribe_link(runtime.settings, args.user, args.notice)
    sent = await event_at(runtime, context.position)
    if args.notice in ABOUT_TASKS and isinstance(sent.meta.causation, int):
        cause = await event_at(runtime, sent.meta.causation)
        by = cause.event.author if isinstance(cause.event, CommentAdded) else cause.meta.actor
        task = await about(runtime, args.user, cause.stream, by)
        return _about_task(task, cause.event, runtime.settings.public_url + task.path, stop)
    person, notice = await active(runtime, args.user), sent.event
    if not isinstance(notice, NotificationSent):
        raise TypeError(f"no notice: {notice!r}")
    link = notice.link and runtime.settings.public_url + notice.link
    return letter("notice", person, notice.title, stop, body=notice.body, link=link)


def _about_task(task: About, cause: Event, link: str, stop: str) -> Letter:
    match cause:
        case TaskAssigned():
            subject = f"{task.by} assigned “{task.title}” to you"
            return letter("assigned", task.person, subject, stop, about=task, link=link)
        case CommentAdded(body=words) | CommentEdited(body=words):
            subject = f"{task.by} mentioned you on “{task.title}”"
            return letter(
                "mentioned", task.person, subject, stop, about=task, words=words, link=link
            )
        case _:
            raise TypeError(f"no letter tells of it: {cause!r}")


JOB = Job("mail_notice", EMAIL, MailNotice, run, (NotificationSent,), react)
ANNOUNCED = Job(
    "mail_announcement", EMAIL, MailNotice, run, (NotificationSent,), announced, priority=BULK
)
