"""To let somebody in: with a password, or with the link of a mail; and what a log-in gives."""

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from litestar import Request

from api import tokens
from api.call import origin_of
from api.signed_in import Me, Session
from api.tokens import NotAuthenticated
from domain.email import email_stream
from domain.errors import Invalid
from domain.login import LOGIN, BeginLogin, Way
from domain.user import USER, User
from infra import accounts
from infra.accounts import Device, Grant
from infra.eventstore.types import NEW
from infra.limits import Attempt, address_of
from infra.proofs import Purpose, holds, parse, prove
from infra.runtime import Runtime
from infra.settings import Settings

NOBODY = UUID(int=0)
MAX_AGENT = 200  # characters
SECRET = 43  # characters of a refresh token that are looked up; a proof of its log-in follows


def account_of(email: str) -> UUID:
    """The e-mail's aggregate, which says whose it is: a read model may not know a new user yet."""
    try:
        return email_stream(email)
    except Invalid:
        return NOBODY


async def attempt(runtime: Runtime, account: UUID, user: UUID, address: str, said: str) -> Attempt:
    """`said`: by the device, which a log-in gave it."""
    device = known_device(runtime.settings, account, said)
    familiar = await accounts.has_come_from(runtime.db, user, address)
    return Attempt(str(account), address, device, familiar)


def known_device(settings: Settings, account: UUID, said: str) -> str:
    """Its name, where somebody signed in to the account by it before; else ""."""
    proof = parse(said)
    if proof is None or proof.subject != account or not holds(settings, Purpose.DEVICE, proof):
        return ""
    return str(proof.number)


def known_login(settings: Settings, refresh_token: str) -> str:
    """Its name, where we gave out such a token, whatever has become of it; else ""."""
    proof = parse(refresh_token[SECRET:])
    return str(proof.subject) if proof and holds(settings, Purpose.LOGIN, proof) else ""


async def open_session(
    runtime: Runtime, request: Request[Any, Any, Any], user: UUID, checked: str, way: Way
) -> Session:
    """A new log-in, on record before it is given; `checked`: the hash of the password that was
    said. Raises NotAuthenticated.
    """
    state = await active(runtime, user)
    grant = Grant(runtime.new_id(), user)
    token = await accounts.issue(runtime.db, grant, checked, end(runtime), device_of(request))
    if token is None:
        raise NotAuthenticated("auth.bad_credentials")
    begin = BeginLogin(user=user, way=way)
    await runtime.execute(origin_of(request, user), LOGIN, grant.family, begin, expected=NEW)
    return session(runtime, grant, token, state)


def session(runtime: Runtime, grant: Grant, refresh_token: str, user: User) -> Session:
    ttl_s = runtime.settings.jwt_access_ttl_s
    claims = tokens.claims(
        grant.user_id, user.role, grant.family, runtime.new_id(), runtime.now(), ttl_s
    )
    account, number = account_of(user.email), secrets.randbits(63)
    proof = prove(runtime.settings, Purpose.LOGIN, grant.family, 0)
    return Session(
        access_token=tokens.sign(claims, runtime.keys),
        refresh_token=refresh_token + proof,
        expires_in=ttl_s,
        user=me_of(grant.user_id, user),
        device=prove(runtime.settings, Purpose.DEVICE, account, number),
    )


async def active(runtime: Runtime, user: UUID) -> User:
    state = (await runtime.load(USER, user)).state
    if not state.active:
        raise NotAuthenticated("auth.deactivated")
    return state


def device_of(request: Request[Any, Any, Any]) -> Device:
    agent = request.headers.get("user-agent", "").replace("\x00", "")
    return Device(address_of(request.scope["client"]), agent[:MAX_AGENT])


def end(runtime: Runtime) -> datetime:
    return runtime.now() + timedelta(seconds=runtime.settings.jwt_refresh_ttl_s)


def me_of(id_: UUID, user: User) -> Me:
    return Me(id_, user.email, user.name, user.role, user.department, user.email_verified)
