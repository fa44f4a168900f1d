"""Who is asking, and whether they may: the only place at the edges that applies domain.access."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.types import Scope

from api.edge import header, runtime_of
from api.limiting import RateLimited
from api.realtime.joining import admit
from api.rights import Caller, require_known
from api.tokens import NotAuthenticated
from api.verified import read
from domain.access import Action
from domain.document import DOCUMENT
from domain.errors import NotAllowed, NotFound
from domain.file import FILE
from domain.kernel import Decider
from domain.notification import NOTIFICATION
from domain.scopes import actions_of
from domain.task import TASK
from domain.user import USER
from infra.api_keys import PREFIX
from infra.limits import address_of
from infra.runtime import Runtime
from infra.settings import Settings

# What a path may name that is of a project, and whose state says which.
IN_PROJECT: Mapping[str, Decider[Any, Any, Any]] = {
    "task": TASK,
    "document": DOCUMENT,
    "file": FILE,
}

SAFE = frozenset({"GET", "HEAD"})

SHORT = 4  # digits of the length of a body that is looked at before it is counted
EXPIRED = "auth.expired"

# Of the settings and a request's body: who sends it.
Shows: TypeAlias = Callable[[Settings, bytes], str]

# A request of somebody. To take it costs nothing; each dependency is resolved by a call, and two
# at once by tasks of their own.
Asked: TypeAlias = Request[Caller, None, State]


class Open(StrEnum):
    """What a route declares in place of an Action when no rule is needed."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    LOGGED_IN = "logged_in"  # by a log-in of their own: an API key is none


class Concerned(msgspec.Struct, frozen=True):
    """The project and the person that a request is about."""

    project: UUID | None = None
    user: UUID | None = None


class Proven(msgspec.Struct, frozen=True):
    """What a token shows of itself; `expires` None: of an API key the owner's state says it."""

    user: UUID
    session: UUID  # the log-in, or the API key
    expires: datetime | None


async def authenticate(runtime: Runtime, token: str) -> Caller:
    """Whose token this is. Raises NotAuthenticated.

    The user is loaded, so that a deactivation, a log-out or another role counts at once.
    """
    return await _caller(runtime, await prove(runtime, token))


async def prove(runtime: Runtime, token: str) -> Proven:
    """Raises NotAuthenticated."""
    if token.startswith(PREFIX):
        owned = await runtime.api_keys.owner(token)
        if owned is None:
            raise NotAuthenticated("auth.bad_token")
        return Proven(owned.user, owned.key, None)
    claims = read(token, runtime.keys, runtime.now())
    return Proven(claims.sub, claims.sid, claims.expires)


async def _caller(runtime: Runtime, proven: Proven) -> Caller:
    await runtime.states.look()
    user = (await runtime.states.known(USER, proven.user)).state
    if not user.active:
        raise NotAuthenticated("auth.deactivated")
    if user.entry.ended(proven.session):
        raise NotAuthenticated("auth.signed_out")
    if proven.expires is not None:
        return Caller(proven.user, user.role, proven.session, proven.expires)
    key = user.entry.api_keys.get(proven.session)
    if key is None:
        raise NotAuthenticated("auth.bad_token")
    if key.expires <= runtime.now():
        raise NotAuthenticated("auth.expired")
    return Caller(proven.user, user.role, proven.session, key.expires, actions_of(key.scopes))


async def enter(request: Request[Any, Any, Any]) -> None:
    """Counts the request, then guards: before anything else is done for it.

    A token that does not hold is as good as none.
    """
    limits = runtime_of(request.scope).limits
    if shown := await _shown(request):
        _pass(limits.known(shown))
    else:
        await _count(request.scope)
    await guard(request)


async def _shown(request: Request[Any, Any, Any]) -> str:
    """What a body proves of who sends it without a token, where a route says how; else "".

    `shows` in `opt`. It costs no more than to count does: nobody else is asked.
    """
    scope = request.scope
    shows: Shows | None = scope["route_handler"].opt.get("shows")
    if shows is None or not 0 < len(header(scope, b"content-length")) <= SHORT:
        return ""
    return shows(runtime_of(scope).settings, await request.body())


async def _count(scope: Scope) -> None:
    """By user, else by address; but whose token has only run out is told to renew it."""
    runtime, address, user = runtime_of(scope), address_of(scope["client"]), None
    if not runtime.api_keys.knows(bearer(scope)):
        _pass(runtime.limits.request(address, None))  # to ask the database is not for free
    expired: NotAuthenticated | None = None
    try:
        user = (await proven_of(scope)).user
    except NotAuthenticated as error:
        expired = error if error.code == EXPIRED else None
    wait_s = runtime.limits.request(address, user)
    if wait_s and expired and scope["route_handler"].opt.get("action") is not Open.PUBLIC:
        raise expired
    _pass(wait_s)


def _pass(wait_s: float) -> None:
    if wait_s:
        raise RateLimited(wait_s)


async def guard(request: Request[Any, Any, Any]) -> None:
    """Applies what the route declares in `opt`; a route that declares nothing is closed.

    `action`: an Action or Open. `own`: it only ever concerns the caller.

    It and `enter` are `before_request` hooks: for each of Litestar's guards a handler is copied. Of
    hooks the nearest alone is run: a router with one of its own calls `enter` in it.
    """
    scope, path = request.scope, request.scope["path_params"]
    opt = scope["route_handler"].opt
    action = opt.get("action")
    if action is Open.PUBLIC:
        return
    runtime = runtime_of(scope)
    if action is Action.METRICS_READ and _scrapes(runtime, bearer(scope)):
        return
    caller = await _caller(runtime, await proven_of(scope))
    scope["user"] = caller
    scope["state"]["api_key"] = caller.key
    if action is Open.LOGGED_IN and caller.key is not None:
        raise NotAllowed("auth.not_by_key")
    if isinstance(action, Open):
        if caller.only_reads and scope["method"] not in SAFE:  # others' rules come later
            raise NotAllowed("access.denied")
        return
    if not isinstance(action, Action):
        raise NotAllowed("access.denied")
    if "room" in path:
        await admit(runtime, caller.who, path["room"], runtime.new_id())
        return
    concerned = await concern(runtime, path)
    scope["state"]["concerned"] = concerned
    user = caller.id if opt.get("own") else concerned.user
    try:
        await require_known(runtime, caller, action, project=concerned.project, user=user)
    except NotFound as error:
        for kind in IN_PROJECT.keys() & path.keys():
            raise _none(kind, path, type(error)) from None
        raise


def _none(kind: str, path: Mapping[str, Any], error: type[NotFound] = NotFound) -> NotFound:
    """As if there were no such thing, whether or not there is."""
    return error(f"{kind}.not_found", **{kind: path[kind]})


def _scrapes(runtime: Runtime, token: str) -> bool:
    """A scraper cannot renew an access token: it has one of its own, for the metrics alone."""
    wanted = runtime.settings.metrics_token
    return bool(wanted) and compare_digest(token.encode(), wanted.encode())


async def proven_of(scope: Scope) -> Proven:
    """What a request's token shows, looked at once. Raises NotAuthenticated."""
    state = scope["state"]
    found = state.get("proven")
    if found is None:
        found = state["proven"] = await prove(runtime_of(scope), bearer(scope))
    return found


def bearer(scope: Scope) -> str:
    """The token of an Authorization header, or ""."""
    scheme, _, token = header(scope, b"authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def concern(runtime: Runtime, path: Mapping[str, Any]) -> Concerned:
    """What the ids in a path are about, as of the last look. Raises NotFound for what is not."""
    for kind, decider in IN_PROJECT.items():
        if kind in path:
            project = (await runtime.states.known(decider, path[kind])).state.project
            if project is None:
                raise _none(kind, path)
            return Concerned(project=project)
    if "notification" in path:
        notification = await runtime.states.known(NOTIFICATION, path["notification"])
        return Concerned(user=notification.state.user)
    return Concerned(path.get("project"), path.get("user"))
