"""/auth: log in, stay logged in, log out; and one's log-ins elsewhere."""

from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from msgspec import Meta

from api.auth import Caller, Open
from api.call import Call, origin_of
from api.limiting import RateLimited
from api.opening import (
    NOBODY,
    SECRET,
    account_of,
    active,
    attempt,
    device_of,
    end,
    known_device,
    known_login,
    me_of,
    open_session,
)
from api.opening import session as session_of
from api.signed_in import Me, Session
from api.tokens import NotAuthenticated
from domain.access import Action
from domain.email import EMAIL
from domain.entry import EndStolen, SignOut, SignOutEverywhere
from domain.errors import NotFound
from domain.user import USER
from infra import accounts
from infra.accounts import LogIn, TokenReused
from infra.limits import address_of
from infra.passwords import Passwords
from infra.proofs import MAX_PROOF
from infra.runtime import Runtime
from infra.settings import Settings

MOST = 100  # log-ins of a list

log = structlog.get_logger()


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`device`: what a log-in from here gave before."""

    email: Annotated[str, Meta(max_length=320, examples=["ada@demo.formula"])]
    password: Annotated[str, Meta(max_length=200, examples=["formula-demo-1"])]
    device: Annotated[str, Meta(max_length=MAX_PROOF)] = ""


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, Meta(max_length=200)]


class Shown(LogIn, frozen=True):
    """`current`: the request came by it."""

    current: bool


def shown_by_login(settings: Settings, body: bytes) -> str:
    """The device that it comes from, or ""."""
    with suppress(msgspec.MsgspecError, ValueError):
        said = msgspec.json.decode(body, type=Login)
        device = known_device(settings, account_of(said.email), said.device)
        return f"device:{device}" if device else ""
    return ""


def shown_by_refresh(settings: Settings, body: bytes) -> str:
    """The log-in that the token is of, or ""."""
    with suppress(msgspec.MsgspecError, ValueError):
        said = msgspec.json.decode(body, type=Refresh)
        login = known_login(settings, said.refresh_token)
        return f"login:{login}" if login else ""
    return ""


@post("/login", status_code=HTTP_200_OK, opt={"action": Open.PUBLIC, "shows": shown_by_login})
async def login(
    data: JSONBody[Login],
    request: Request[None, None, Any],
    runtime: NamedDependency[Runtime],
    passwords: NamedDependency[Passwords],
) -> Session:
    """The same work and the same answer for a wrong password and for an e-mail nobody has.

    Who has guessed wrong too often waits: a device or an address, then all strangers together.
    """
    account, address = account_of(data.email), address_of(request.scope["client"])
    user = (await runtime.load(EMAIL, account)).state.user or NOBODY
    tried = await attempt(runtime, account, user, address, data.device)
    if wait_s := runtime.limits.login(tried):
        raise RateLimited(wait_s)
    stored = await _matching(runtime, passwords, user, data.password)
    runtime.limits.logged_in(tried)
    if passwords.outdated(stored):
        new = await passwords.hash(data.password)
        if await accounts.change_hash(runtime.db, user, stored, new):
            stored = new
        else:  # it was made anew meanwhile, or is of another password
            stored = await _matching(runtime, passwords, user, data.password)
    return await open_session(runtime, request, user, stored, "password")


async def _matching(runtime: Runtime, passwords: Passwords, user: UUID, password: str) -> str:
    """The hash that it is the password of. Raises NotAuthenticated."""
    stored = await accounts.hash_of(runtime.db, user)
    if not await passwords.matches(stored, password) or stored is None:
        raise NotAuthenticated("auth.bad_credentials")
    return stored


@post("/refresh", status_code=HTTP_200_OK, opt={"action": Open.PUBLIC, "shows": shown_by_refresh})
async def refresh(
    data: JSONBody[Refresh], request: Request[None, None, Any], runtime: NamedDependency[Runtime]
) -> Session:
    """Asked again within ten seconds, it gives the same token again, unless that was used."""
    secret, device = runtime.settings.jwt_secret, device_of(request)
    try:
        rotated = await accounts.rotate(
            runtime.db, secret, data.refresh_token[:SECRET], end(runtime), device
        )
    except TokenReused as error:
        await _end_stolen(runtime, request, error)
        raise NotAuthenticated("auth.token_reused") from error
    if rotated is None:
        raise NotAuthenticated("auth.bad_token")
    token, grant = rotated
    return session_of(runtime, grant, token, await active(runtime, grant.user_id))


async def _end_stolen(
    runtime: Runtime, request: Request[Any, Any, Any], error: TokenReused
) -> None:
    """Its access tokens and sockets end as well, and its owner is told by mail."""
    user, session = error.grant.user_id, error.grant.family
    log.warning("refresh_token_reused", user=user, session=session, living=error.living)
    if error.living:
        await runtime.execute(
            origin_of(request, user), USER, user, EndStolen(session=session, at=runtime.now())
        )


@post("/logout", status_code=HTTP_204_NO_CONTENT, opt={"action": Open.LOGGED_IN})
async def logout(call: NamedDependency[Call]) -> None:
    """Ends this log-in: its tokens are void at once, its sockets close, on every node."""
    await _end_one(call, call.caller.id, call.caller.session)


@post("/logout-all", status_code=HTTP_204_NO_CONTENT, opt={"action": Open.LOGGED_IN})
async def logout_all(call: NamedDependency[Call]) -> None:
    """Ends all of one's log-ins, this one too. API keys go on."""
    await _end_all(call, call.caller.id)


@get("/me", opt={"action": Open.SIGNED_IN})
async def me(caller: NamedDependency[Caller], runtime: NamedDependency[Runtime]) -> Me:
    return me_of(caller.id, await active(runtime, caller.id))


@get("/sessions", opt={"action": Open.LOGGED_IN})
async def own(caller: NamedDependency[Caller], runtime: NamedDependency[Runtime]) -> list[Shown]:
    """One's log-ins that go on, the last used first, at most 100."""
    return await _shown(runtime, caller.id, caller)


@delete("/sessions/{session:uuid}", opt={"action": Open.LOGGED_IN})
async def end_own(session: FromPath[UUID], call: NamedDependency[Call]) -> None:
    await _end_known(call, call.caller.id, session)


@get("/{user:uuid}/sessions", opt={"action": Action.USER_SESSIONS})
async def of_user(
    user: FromPath[UUID], caller: NamedDependency[Caller], runtime: NamedDependency[Runtime]
) -> list[Shown]:
    """As /auth/sessions, of somebody."""
    return await _shown(runtime, user, caller)


@delete("/{user:uuid}/sessions", opt={"action": Action.USER_SESSIONS})
async def end_of_user(user: FromPath[UUID], call: NamedDependency[Call]) -> None:
    """Ends all log-ins of somebody."""
    await _end_all(call, user)


@delete("/{user:uuid}/sessions/{session:uuid}", opt={"action": Action.USER_SESSIONS})
async def end_one_of_user(
    user: FromPath[UUID], session: FromPath[UUID], call: NamedDependency[Call]
) -> None:
    await _end_known(call, user, session)


async def _shown(runtime: Runtime, user: UUID, caller: Caller) -> list[Shown]:
    found = await accounts.living(runtime.db, user, MOST)
    return [Shown(**msgspec.structs.asdict(one), current=one.id == caller.session) for one in found]


async def _end_known(call: Call, user: UUID, session: UUID) -> None:
    """Raises NotFound: what is no log-in of theirs must not be remembered as one that ended."""
    if not await accounts.owns(call.runtime.db, user, session):
        raise NotFound("session.not_found", session=session)
    await _end_one(call, user, session)


async def _end_one(call: Call, user: UUID, session: UUID) -> None:
    await accounts.revoke_family(call.runtime.db, session)
    await call.execute(USER, user, SignOut(session=session, at=call.runtime.now()))


async def _end_all(call: Call, user: UUID) -> None:
    await call.execute(USER, user, SignOutEverywhere(at=call.runtime.now()))
    await accounts.revoke_user(call.runtime.db, user)


sessions = Router(
    "/auth",
    route_handlers=[login, refresh, logout, logout_all, me, own, end_own],
    tags=["auth"],
)
user_sessions = Router(
    "/users", route_handlers=[of_user, end_of_user, end_one_of_user], tags=["users"]
)
