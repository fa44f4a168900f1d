"""Mail somebody that their report is there, with the link to it."""

from uuid import UUID

from domain.errors import NotFound, WrongState
from domain.kernel import Recorded
from domain.notification import NotificationSent
from domain.user import USER
from workers.letters import letter
from workers.model import EMAIL, Args, Context, Job
from workers.reports.making import KIND


class Ready(Args, frozen=True):
    """Not the link: who may look at jobs may not read what is in reports."""

    user: UUID
    notification: UUID


def react(recorded: Recorded[NotificationSent]) -> list[Ready]:
    if recorded.event.kind != KIND:
        return []
    return [Ready(recorded.event.user, recorded.stream)]


async def run(context: Context, args: Ready) -> None:
    user = (await context.runtime.load(USER, args.user)).state
    if not user.active:
        raise WrongState("user.not_active", user=args.user)
    notice = await _notice(context, args.notification)
    link = context.runtime.settings.public_url + notice.link
    mail = letter("report", user, notice.title, title=notice.title, body=notice.body, link=link)
    await context.mail.send(mail, context.job)


async def _notice(context: Context, notification: UUID) -> NotificationSent:
    found = await context.runtime.store.read_stream(notification, 0, 1)
    if not found or not isinstance(found[0].event, NotificationSent):
        raise NotFound("notification.not_found", notification=notification)
    return found[0].event


JOB = Job("mail_report", EMAIL, Ready, run, (NotificationSent,), react)
