"""Who is asking, and whether they may: the only place at the edges that applies domain.access."""

from collections.abc import Mapping
from enum import StrEnum
from hmac import compare_digest
from typing import Any
from uuid import UUID

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers.base import BaseRouteHandler
from litestar.types import Scope

from api.edge import runtime_of
from api.realtime.joining import admit
from api.rights import Caller, require
from api.tokens import Claims, NotAuthenticated, read
from domain.access import Action
from domain.document import DOCUMENT
from domain.errors import NotAllowed, NotFound
from domain.file import FILE
from domain.kernel import Decider
from domain.notification import NOTIFICATION
from domain.task import TASK
from domain.user import USER
from infra.runtime import Runtime

# What a path may name that is of a project, and whose state says which.
IN_PROJECT: Mapping[str, Decider[Any, Any, Any]] = {
    "task": TASK,
    "document": DOCUMENT,
    "file": FILE,
}


class Open(StrEnum):
    """What a route declares in place of an Action when no rule is needed."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"


class Concerned(msgspec.Struct, frozen=True):
    """The project and the person that a request is about."""

    project: UUID | None = None
    user: UUID | None = None


async def authenticate(runtime: Runtime, token: str) -> Caller:
    """Whose access token this is. Raises NotAuthenticated.

    The user is loaded, so that a deactivation, a log-out or another role counts at once.
    """
    return await _caller(runtime, read(token, runtime.settings.jwt_secret, runtime.now()))


async def _caller(runtime: Runtime, claims: Claims) -> Caller:
    user = (await runtime.load(USER, claims.sub)).state
    if not user.active:
        raise NotAuthenticated("auth.deactivated")
    if claims.sid in user.signed_out:
        raise NotAuthenticated("auth.signed_out")
    return Caller(claims.sub, user.role, claims.sid, claims.expires)


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Applies what the route declares in `opt`; a route that declares nothing is closed.

    `action`: an Action or Open. `own`: it only ever concerns the caller.
    """
    action = handler.opt.get("action")
    if action is Open.PUBLIC:
        return
    runtime = runtime_of(connection.scope)
    if action is Action.METRICS_READ and _scrapes(runtime, connection.headers):
        return
    caller = await _caller(runtime, claims_of(connection.scope))
    connection.scope["user"] = caller
    if action is Open.SIGNED_IN:
        return
    if not isinstance(action, Action):
        raise NotAllowed("access.denied")
    if "room" in connection.path_params:
        await admit(runtime, caller.who, connection.path_params["room"], runtime.new_id())
        return
    concerned = await concern(runtime, connection.path_params)
    connection.scope["state"]["concerned"] = concerned
    user = caller.id if handler.opt.get("own") else concerned.user
    try:
        await require(runtime, caller, action, project=concerned.project, user=user)
    except NotFound:
        for kind in IN_PROJECT.keys() & connection.path_params.keys():
            raise _none(kind, connection.path_params) from None
        raise


def _none(kind: str, path: Mapping[str, Any]) -> NotFound:
    """As if there were no such thing, whether or not there is."""
    return NotFound(f"{kind}.not_found", **{kind: path[kind]})


def _scrapes(runtime: Runtime, headers: Mapping[str, str]) -> bool:
    """A scraper cannot renew an access token: it has one of its own, for the metrics alone."""
    wanted = runtime.settings.metrics_token
    return bool(wanted) and compare_digest(bearer(headers).encode(), wanted.encode())


def claims_of(scope: Scope) -> Claims:
    """What a request's access token says, read once. Raises NotAuthenticated."""
    state = scope["state"]
    if "claims" not in state:
        runtime = runtime_of(scope)
        token = bearer(Headers.from_scope(scope))
        state["claims"] = read(token, runtime.settings.jwt_secret, runtime.now())
    return state["claims"]


def bearer(headers: Mapping[str, str]) -> str:
    """The access token of an Authorization header, or ""."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def concern(runtime: Runtime, path: Mapping[str, Any]) -> Concerned:
    """What the ids in a path are about. Raises NotFound where there is no such thing."""
    for kind, decider in IN_PROJECT.items():
        if kind in path:
            project = (await runtime.load(decider, path[kind])).state.project
            if project is None:
                raise _none(kind, path)
            return Concerned(project=project)
    if "notification" in path:
        notification = await runtime.load(NOTIFICATION, path["notification"])
        return Concerned(user=notification.state.user)
    return Concerned(path.get("project"), path.get("user"))
