"""/users: who people are, what they may do and whether they may come in."""

from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from litestar import Response, Router, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.status_codes import HTTP_200_OK
from msgspec import UNSET, Meta, UnsetType

from api.call import Call, Done, done
from api.limiting import RateLimited
from api.paging import Cursor, Limit, Page, from_cursor, page
from api.reads import shown
from api.recovering import mailing
from api.registering import Department, Email, Name, NewUser, Password, register_user
from domain.access import Action
from domain.email import EMAIL, ReleaseEmail, ReserveEmail, email_stream
from domain.errors import Invalid, NotAllowed, NotFound
from domain.job_args import MailEmailVerification
from domain.user import (
    USER,
    ChangeEmail,
    ChangeProfile,
    ChangeRole,
    DeactivateUser,
    ReactivateUser,
    Role,
    SetPassword,
    User,
    UserStatus,
    normal_email,
)
from infra import accounts
from infra.db import Connection
from infra.eventstore.execute import Do, Outcome, WrongVersion
from infra.eventstore.states import Loaded
from infra.eventstore.types import Conflict
from infra.limits import Attempt
from infra.passwords import Passwords, check_password
from infra.runtime import Runtime
from projections.rows import Source
from projections.users import UserRow, get_user, list_users

Current: TypeAlias = Annotated[str, Meta(max_length=200)] | None


class UserChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The e-mail is changed alone: it is unique, so it is reserved in the same step."""

    name: Name | UnsetType = UNSET
    department: Department | UnsetType = UNSET
    email: Email | UnsetType = UNSET
    current: Current = None  # the password: required for one's own e-mail


class NewRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=1_000, examples=["left the company"])] = ""


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: Password
    current: Current = None  # required for one's own


@get("/", opt={"action": Action.USER_LIST})
async def list_all(
    lists: NamedDependency[Source],
    role: FromQuery[Role | None] = None,
    status: FromQuery[UserStatus | None] = None,
    department: FromQuery[str | None] = None,
    email: FromQuery[str | None] = None,
    search: FromQuery[str | None] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserRow]:
    """By name. `search`: the beginnings of words in names and addresses."""
    rows = await list_users(
        lists,
        role=role,
        status=status,
        department=department,
        email=None if email is None else normal_email(email),
        search=search,
        after=from_cursor(cursor, tuple[str, UUID]),
        limit=limit + 1,
    )
    return page(rows, limit, lambda row: (row.name, row.id))


@get("/{user:uuid}", opt={"action": Action.USER_READ})
async def get_one(user: FromPath[UUID], db: NamedDependency[Connection]) -> Response[UserRow]:
    return shown(await get_user(db, user), "user.not_found")


@post("/", opt={"action": Action.USER_REGISTER})
async def register(
    data: JSONBody[NewUser],
    call: NamedDependency[Call],
    passwords: NamedDependency[Passwords],
) -> Response[Done]:
    """With a mail that asks whether the address is theirs."""
    check_password(data.password, data.email, data.name)
    user = call.new_id("user")
    asked = mailing(call.runtime, MailEmailVerification(user=user))
    outcome = await register_user(
        call.runtime, passwords, call.origin, user, data, asked, command_id=call.command_id
    )
    return done(outcome, user, created=True)


@patch("/{user:uuid}", opt={"action": Action.USER_CHANGE})
async def change(
    user: FromPath[UUID],
    data: JSONBody[UserChanges],
    call: NamedDependency[Call],
    passwords: NamedDependency[Passwords],
) -> Response[Done]:
    """Another e-mail is where links for another password go: no API key changes it."""
    if isinstance(data.email, UnsetType):
        command = ChangeProfile(name=data.name, department=data.department)
        return done(await call.execute(USER, user, command), user)
    if data.name is not UNSET or data.department is not UNSET:
        raise Invalid("user.email_alone")
    if call.caller.key is not None:
        raise NotAllowed("auth.not_by_key")
    if user == call.caller.id:
        await _require_current(call, passwords, data.current or "")
    return done(await _change_email(call, user, normal_email(data.email)), user)


@put("/{user:uuid}/role", opt={"action": Action.USER_CHANGE_ROLE})
async def change_role(
    user: FromPath[UUID], data: JSONBody[NewRole], call: NamedDependency[Call]
) -> Response[Done]:
    return done(await call.execute(USER, user, ChangeRole(role=data.role)), user)


@post("/{user:uuid}/deactivate", status_code=HTTP_200_OK, opt={"action": Action.USER_DEACTIVATE})
async def deactivate(
    user: FromPath[UUID], data: JSONBody[Reason], call: NamedDependency[Call]
) -> Response[Done]:
    """Counts at once: open sessions and sockets end."""
    outcome = await call.execute(USER, user, DeactivateUser(reason=data.reason))
    await accounts.revoke_user(call.runtime.db, user)
    return done(outcome, user)


@post("/{user:uuid}/reactivate", status_code=HTTP_200_OK, opt={"action": Action.USER_DEACTIVATE})
async def reactivate(user: FromPath[UUID], call: NamedDependency[Call]) -> Response[Done]:
    """Log-ins of before stay ended; API keys go on."""
    outcome = await call.execute(USER, user, ReactivateUser(at=call.runtime.now()))
    await accounts.revoke_user(call.runtime.db, user)
    return done(outcome, user)


@put("/{user:uuid}/password", opt={"action": Action.USER_SET_PASSWORD})
async def set_password(
    user: FromPath[UUID],
    data: JSONBody[NewPassword],
    call: NamedDependency[Call],
    passwords: NamedDependency[Passwords],
) -> Response[Done]:
    """Ends every log-in of that person, at once."""
    runtime = call.runtime
    current: str | None = None
    if user == call.caller.id:
        current = await _require_current(call, passwords, data.current or "")
    known = await runtime.load(USER, user)
    check_password(data.password, known.state.email, known.state.name)
    hashed = await passwords.hash(data.password)
    if not await call.repeated():
        _require_settable(call, known)
        await _replace(runtime, user, current, hashed)
    # After the hash: what the old one lets in until then has begun before this, and ends by it.
    outcome = await runtime.execute(
        call.origin, USER, user, SetPassword(at=runtime.now()), command_id=call.command_id
    )
    await accounts.revoke_user(runtime.db, user)
    return done(outcome, user)


def _require_settable(call: Call, known: Loaded[User]) -> None:
    """What would refuse the event must do so before there is another hash. Raises Refused."""
    if call.expected not in (None, known.version):
        raise WrongVersion("version.changed", version=known.version, expected=call.expected)
    if known.state.status is None:
        raise NotFound("user.not_found")


async def _replace(runtime: Runtime, user: UUID, current: str | None, new: str) -> None:
    """`current`: the hash that the one before must be. Raises NotAllowed."""
    if current is None:
        await accounts.set_hash(runtime.db, user, new)
    elif not await accounts.change_hash(runtime.db, user, current, new):
        raise NotAllowed("auth.bad_password")


async def _require_current(call: Call, passwords: Passwords, password: str) -> str:
    """The hash that it is the password of. Raises NotAllowed.

    Who has found a screen unlocked must not be able to try them all.
    """
    runtime, user = call.runtime, call.caller.id
    tried = Attempt(str(user), "", device=str(call.caller.session))
    if wait_s := runtime.limits.login(tried):
        raise RateLimited(wait_s)
    stored = await accounts.hash_of(runtime.db, user)
    if not await passwords.matches(stored, password) or stored is None:
        raise NotAllowed("auth.bad_password")
    runtime.limits.logged_in(tried)
    return stored


async def _change_email(call: Call, user: UUID, email: str) -> Outcome:
    """Give the old address back and take the new one, which is mailed to; all or nothing.

    One that was verified stays theirs until the new one is: they come back by it.
    """
    loaded = await call.runtime.load(USER, user)
    old = loaded.state.email
    command = ChangeEmail(email=email)
    if loaded.version == 0 or old == email:
        return await call.execute(USER, user, command)
    also = [
        Do(EMAIL, email_stream(email), ReserveEmail(user=user)),
        mailing(call.runtime, MailEmailVerification(user=user)),
    ]
    if old != loaded.state.verified:
        also.append(Do(EMAIL, email_stream(old), ReleaseEmail(user=user)))
    try:  # on the version that had the old address: else nobody would give back a newer one
        return await call.execute(USER, user, command, *also, seen=loaded.version)
    except WrongVersion as error:
        if call.expected is not None:
            raise
        raise Conflict from error


users = Router(
    "/users",
    route_handlers=[
        list_all,
        get_one,
        register,
        change,
        change_role,
        deactivate,
        reactivate,
        set_password,
    ],
    tags=["users"],
)
