"""Mail a link that is good once: to set another password, to say that an address is theirs.

The link is made here, as the mail goes: neither the log nor a job's row ever has it.
"""

from datetime import timedelta
from uuid import UUID

import msgspec

from domain.email import EMAIL as ADDRESS
from domain.email import email_stream
from domain.errors import WrongState
from domain.job_args import MailEmailVerification, MailPasswordReset
from infra import accounts
from infra.proofs import Purpose, prove, way_in
from infra.runtime import Runtime
from workers.letters import letter
from workers.model import EMAIL, Context, Job
from workers.people import active

PAGES = "/api/v1/auth/pages"
RESET_FOR, VERIFY_FOR = timedelta(minutes=30), timedelta(days=1)


async def reset(context: Context, args: MailPasswordReset) -> None:
    runtime = context.runtime
    person = await active(runtime, args.user)
    since = await accounts.password_since(runtime.db, args.user)
    if since is None:
        raise WrongState("user.has_no_password", user=args.user)
    to = person.way_back
    if not await _still_theirs(runtime, args.user, to):  # first it must be
        await verify(context, MailEmailVerification(user=args.user))
        return
    bound = way_in(since, person.email, to)
    link = _link(runtime, Purpose.RESET, args.user, RESET_FOR, bound, "reset")
    there = msgspec.structs.replace(person, email=to)
    mail = letter("reset", there, "Set another password", "", link=link)
    await context.mail.send(mail, context.job)


async def _still_theirs(runtime: Runtime, user: UUID, email: str) -> bool:
    """Somebody else may have registered with it since they left it."""
    return bool(email) and (await runtime.load(ADDRESS, email_stream(email))).state.user == user


async def verify(context: Context, args: MailEmailVerification) -> None:
    runtime = context.runtime
    person = await active(runtime, args.user)
    if person.email_verified:
        raise WrongState("user.email_verified", user=args.user)
    link = _link(runtime, Purpose.VERIFY, args.user, VERIFY_FOR, person.email, "verify")
    await context.mail.send(
        letter("verify", person, "Is this your address?", "", link=link), context.job
    )


def _link(
    runtime: Runtime, purpose: Purpose, user: UUID, lasts: timedelta, state: str, page: str
) -> str:
    until = int((runtime.now() + lasts).timestamp())
    token = prove(runtime.settings, purpose, user, until, state)
    return f"{runtime.settings.public_url}{PAGES}/{page}?token={token}"


RESET = Job("mail_password_reset", EMAIL, MailPasswordReset, reset)
VERIFY = Job("mail_email_verification", EMAIL, MailEmailVerification, verify)
