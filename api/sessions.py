"""/auth: log in, stay logged in, log out."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT
from msgspec import Meta

from api import tokens
from api.auth import Caller, Open
from api.call import Call
from api.limiting import RateLimited
from api.signed_in import Me, Session
from api.tokens import NotAuthenticated
from domain.email import EMAIL, email_stream
from domain.errors import Invalid
from domain.user import USER, SignOut, User
from infra import accounts
from infra.accounts import Grant, TokenReused
from infra.limits import address_of
from infra.passwords import Passwords
from infra.runtime import Runtime

NOBODY = UUID(int=0)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Annotated[str, Meta(max_length=320, examples=["ada@demo.formula"])]
    password: Annotated[str, Meta(max_length=200, examples=["formula-demo-1"])]


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Annotated[str, Meta(max_length=200)]


@post("/login", status_code=HTTP_200_OK, opt={"action": Open.PUBLIC})
async def login(
    data: JSONBody[Login],
    request: Request[None, None, Any],
    runtime: NamedDependency[Runtime],
    passwords: NamedDependency[Passwords],
) -> Session:
    """The same work and the same answer for a wrong password and for an e-mail nobody has.

    Who has guessed wrong too often waits, at first from one address, then from everywhere.
    """
    account, address = _account(data.email), address_of(request.scope["client"])
    if wait_s := runtime.limits.login(address, str(account)):
        raise RateLimited(wait_s)
    user = (await runtime.load(EMAIL, account)).state.user or NOBODY
    stored = await accounts.hash_of(runtime.db, user)
    if not await passwords.matches(stored, data.password):
        raise NotAuthenticated("auth.bad_credentials")
    runtime.limits.logged_in(address, str(account))
    if stored and passwords.outdated(stored):
        await accounts.set_hash(runtime.db, user, await passwords.hash(data.password))
    grant = Grant(runtime.new_id(), user)
    state = await _active(runtime, user)
    return _session(runtime, grant, await accounts.issue(runtime.db, grant, _end(runtime)), state)


@post("/refresh", status_code=HTTP_200_OK, opt={"action": Open.PUBLIC})
async def refresh(data: JSONBody[Refresh], runtime: NamedDependency[Runtime]) -> Session:
    try:
        rotated = await accounts.rotate(runtime.db, data.refresh_token, _end(runtime))
    except TokenReused as error:
        raise NotAuthenticated("auth.token_reused") from error
    if rotated is None:
        raise NotAuthenticated("auth.bad_token")
    token, grant = rotated
    return _session(runtime, grant, token, await _active(runtime, grant.user_id))


@post("/logout", status_code=HTTP_204_NO_CONTENT, opt={"action": Open.SIGNED_IN})
async def logout(call: NamedDependency[Call]) -> None:
    """Ends this log-in: its tokens are void at once, its sockets close, on every node."""
    await accounts.revoke_family(call.runtime.db, call.caller.session)
    await call.execute(USER, call.caller.id, SignOut(session=call.caller.session))


@get("/me", opt={"action": Open.SIGNED_IN})
async def me(caller: NamedDependency[Caller], runtime: NamedDependency[Runtime]) -> Me:
    return _me(caller.id, await _active(runtime, caller.id))


def _account(email: str) -> UUID:
    """The e-mail's aggregate, which says whose it is: a read model may not know a new user yet."""
    try:
        return email_stream(email)
    except Invalid:
        return NOBODY


async def _active(runtime: Runtime, user: UUID) -> User:
    state = (await runtime.load(USER, user)).state
    if not state.active:
        raise NotAuthenticated("auth.deactivated")
    return state


def _end(runtime: Runtime) -> datetime:
    return runtime.now() + timedelta(seconds=runtime.settings.jwt_refresh_ttl_s)


def _session(runtime: Runtime, grant: Grant, refresh_token: str, user: User) -> Session:
    settings = runtime.settings
    claims = tokens.claims(
        grant.user_id,
        user.role,
        grant.family,
        runtime.new_id(),
        runtime.now(),
        settings.jwt_access_ttl_s,
    )
    return Session(
        access_token=tokens.sign(claims, settings.jwt_secret),
        refresh_token=refresh_token,
        expires_in=settings.jwt_access_ttl_s,
        user=_me(grant.user_id, user),
    )


def _me(id_: UUID, user: User) -> Me:
    return Me(id_, user.email, user.name, user.role, user.department)


sessions = Router("/auth", route_handlers=[login, refresh, logout, me], tags=["auth"])
