"""Tell people what was changed of how they come in: another password or address, a new API key;
and of a stolen token.

No preference stops it: who has taken an account over would be the first to.
"""

from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.entry import ApiKeyCreated, RefreshTokenReused
from domain.kernel import Event, Recorded, fold
from domain.user import USER, PasswordSet, User, UserEmailChanged
from infra.eventstore.types import MAX_READ
from infra.runtime import Runtime
from workers.letters import letter
from workers.model import EMAIL, Args, Context, Job
from workers.notices import event_at
from workers.people import active, name_of

PRIORITY = 1  # the sooner they know, the less is done in their name


class MailAccount(Args, frozen=True):
    """What was changed is the event's to say."""

    user: UUID


Told: TypeAlias = PasswordSet | UserEmailChanged | ApiKeyCreated | RefreshTokenReused


def react(recorded: Recorded[Told]) -> list[MailAccount]:
    return [MailAccount(recorded.stream)]


async def run(context: Context, args: MailAccount) -> None:
    runtime = context.runtime
    person = await active(runtime, args.user)
    changed = await event_at(runtime, context.position)
    to = person.way_back or person.email
    if isinstance(changed.event, UserEmailChanged):
        to = (await _before(runtime, changed)).email
    person = msgspec.structs.replace(person, email=to)
    what = _what(changed.event)
    mail = letter(
        "account",
        person,
        what,
        "",
        what=what,
        by="" if changed.meta.actor == args.user else await name_of(runtime, changed.meta.actor),
        address=changed.meta.ip,
        at=f"{changed.at:%Y-%m-%d %H:%M} UTC",
        link="",
    )
    await context.mail.send(mail, context.job)


def _what(event: Event) -> str:
    match event:
        case PasswordSet():
            return "Your password was changed"
        case UserEmailChanged():
            return "Your account has another address"
        case ApiKeyCreated(name=name):
            return f"An API key was made for your account: “{name}”"
        case RefreshTokenReused():
            return "A token of one of your log-ins was used twice, so that log-in was ended"
        case _:
            raise TypeError(f"no letter tells of it: {event!r}")


async def _before(runtime: Runtime, changed: Recorded[Event]) -> User:
    """As the person was until then."""
    events: list[Event] = []
    while len(events) < changed.version - 1:
        found = await runtime.store.read_stream(changed.stream, len(events), MAX_READ)
        events += [one.event for one in found]
    before = events[: changed.version - 1]
    return fold(USER, [one for one in before if isinstance(one, USER.events)])


JOB = Job(
    "mail_account",
    EMAIL,
    MailAccount,
    run,
    (PasswordSet, UserEmailChanged, ApiKeyCreated, RefreshTokenReused),
    react,
    priority=PRIORITY,
)
