"""/auth/password and /auth/email: by links in mails, each good once and for a while.

A reset's link is bound to the password that it replaces and to the address, a verification's to the
address: using it ends it, and nothing of it is kept. A reset's goes to an address that was
verified, which somebody keeps until another one is.
"""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_202_ACCEPTED, HTTP_204_NO_CONTENT
from msgspec import Meta

from api.auth import Open
from api.call import Call, origin_of
from api.limiting import RateLimited
from api.opening import account_of, active, open_session
from api.registering import Email, Password
from api.signed_in import Session
from domain.email import EMAIL, ReleaseEmail, email_stream
from domain.errors import Invalid, WrongState
from domain.job_args import AnyArgs, MailEmailVerification, MailPasswordReset
from domain.jobs import JOB, RequestJob, Wanted
from domain.user import USER, SetPassword, VerifyEmail
from infra import accounts
from infra.eventstore.execute import Do
from infra.passwords import Passwords, check_password
from infra.proofs import MAX_PROOF, Proof, Purpose, holds, parse, way_in
from infra.runtime import Origin, Runtime

PRIORITY = 1  # somebody waits for it

log = structlog.get_logger()

Token = Annotated[str, Meta(max_length=MAX_PROOF, description="of the mail's link")]


class Forgot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token
    password: Password


class Verify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: Token


class Asking:
    """Mails that are asked for after the answer: how long that takes would tell who is there."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, runtime: Runtime, origin: Origin, email: str) -> None:
        task = asyncio.create_task(_ask_reset(runtime, origin, account_of(email)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


ASKING = Asking()


@post("/password/forgot", status_code=HTTP_202_ACCEPTED, opt={"action": Open.PUBLIC})
async def forgot(
    data: JSONBody[Forgot], request: Request[None, None, Any], runtime: NamedDependency[Runtime]
) -> None:
    """Mails a link, where somebody has that address. The answer is always the same."""
    ASKING.ask(runtime, origin_of(request, None), data.email)


async def _ask_reset(runtime: Runtime, origin: Origin, account: UUID) -> None:
    try:
        user = (await runtime.load(EMAIL, account)).state.user
        if user is None or runtime.limits.mail(f"reset:{user}"):
            return
        asked = mailing(runtime, MailPasswordReset(user=user))
        await runtime.execute(origin, asked.decider, asked.stream, asked.command)
    except Exception as error:  # noqa: BLE001, nobody waits for it
        log.warning("reset_not_asked", error=repr(error))


@post("/password/reset", status_code=HTTP_200_OK, opt={"action": Open.PUBLIC})
async def reset(
    data: JSONBody[Reset],
    request: Request[None, None, Any],
    runtime: NamedDependency[Runtime],
    passwords: NamedDependency[Passwords],
) -> Session:
    """Sets the password, ends every log-in, and begins one: also for whom guesses keep out."""
    user, hashed = await set_by_link(runtime, passwords, request, data.token, data.password)
    return await open_session(runtime, request, user, hashed, "link")


async def set_by_link(
    runtime: Runtime,
    passwords: Passwords,
    request: Request[Any, Any, Any],
    token: str,
    password: str,
) -> tuple[UUID, str]:
    """Whose password it is now, and its hash. Raises Invalid."""
    proof = _parsed(token)
    stored = await accounts.hash_of(runtime.db, proof.subject)
    since = await accounts.password_since(runtime.db, proof.subject)  # last: its hash is not older
    if stored is None or since is None:
        raise Invalid("auth.bad_link")
    known = (await runtime.load(USER, proof.subject)).state
    _require(runtime, Purpose.RESET, proof, way_in(since, known.email, known.way_back))
    user = await active(runtime, proof.subject)
    check_password(password, user.email, user.name)
    new = await passwords.hash(password)
    if not await accounts.change_hash(runtime.db, proof.subject, stored, new):
        raise Invalid("auth.bad_link")
    origin = origin_of(request, proof.subject)
    await runtime.execute(origin, USER, proof.subject, SetPassword(at=runtime.now()))
    await accounts.revoke_user(runtime.db, proof.subject)
    return proof.subject, new


@post("/email/verify", status_code=HTTP_204_NO_CONTENT, opt={"action": Open.PUBLIC})
async def verify(
    data: JSONBody[Verify], request: Request[None, None, Any], runtime: NamedDependency[Runtime]
) -> None:
    await verify_by_link(runtime, request, data.token)


async def verify_by_link(runtime: Runtime, request: Request[Any, Any, Any], token: str) -> None:
    """Raises Refused."""
    proof = _parsed(token)
    user = (await runtime.load(USER, proof.subject)).state
    _require(runtime, Purpose.VERIFY, proof, user.email)
    origin, before = origin_of(request, proof.subject), user.verified
    command = VerifyEmail(email=user.email)
    left: list[Do] = []
    if before and before != user.email:  # links went there until now
        left.append(Do(EMAIL, email_stream(before), ReleaseEmail(user=proof.subject)))
    await runtime.execute(origin, USER, proof.subject, command, *left)


@post("/email/resend", status_code=HTTP_202_ACCEPTED, opt={"action": Open.LOGGED_IN})
async def resend(call: NamedDependency[Call]) -> None:
    """Another link, to the address that one has now."""
    runtime, user = call.runtime, call.caller.id
    if (await active(runtime, user)).email_verified:
        raise WrongState("user.email_verified")
    if wait_s := runtime.limits.mail(f"verify:{user}"):
        raise RateLimited(wait_s)
    asked = mailing(runtime, MailEmailVerification(user=user))
    await call.execute(asked.decider, asked.stream, asked.command)


def mailing(runtime: Runtime, args: AnyArgs) -> Do:
    """The part of a command that asks for a mail, in the same transaction."""
    return Do(JOB, runtime.new_id(), RequestJob(wanted=Wanted(args=args, priority=PRIORITY)))


def _parsed(token: str) -> Proof:
    proof = parse(token)
    if proof is None:
        raise Invalid("auth.bad_link")
    return proof


def _require(runtime: Runtime, purpose: Purpose, proof: Proof, state: str) -> None:
    """Why a true link is not good now is told to those only who have one."""
    if not holds(runtime.settings, purpose, proof, state):
        raise Invalid("auth.bad_link")
    if proof.ended(runtime.now()):
        raise Invalid("auth.link_expired")


recovering = Router("/auth", route_handlers=[forgot, reset, verify, resend], tags=["auth"])
