"""/users/{user}/api-keys: ways in for machines, with their owner's rights or fewer."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_201_CREATED
from msgspec import Meta

from api.call import Call, Done, done, steered
from domain import scopes
from domain.access import Action
from domain.entry import MAX_KEY_NAME, MAX_SCOPE, MAX_SCOPES, ApiKey, CreateApiKey, RevokeApiKey
from domain.errors import Invalid, WrongState
from domain.user import USER
from infra import api_keys as kept
from infra.runtime import Runtime

LASTS = timedelta(days=90)


class NewKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scopes`: `read`, `write` (reads as well), or actions by name.

    `expires`: within a year.
    """

    name: Annotated[str, Meta(max_length=MAX_KEY_NAME, examples=["nightly export"])]
    scopes: Annotated[
        list[Annotated[str, Meta(max_length=MAX_SCOPE)]],
        Meta(min_length=1, max_length=MAX_SCOPES, examples=[["read", "task.write"]]),
    ]
    expires: Annotated[datetime | None, Meta(description="in 90 days where none is given")] = None


class Shown(msgspec.Struct, frozen=True):
    """`used_at`: within a minute, null before the first time."""

    id: UUID
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires: datetime
    used_at: datetime | None


class Made(msgspec.Struct, frozen=True):
    """`key` is told this once: send it as `Authorization: Bearer fk_…`."""

    id: UUID
    key: str
    expires: datetime
    version: int
    position: int | None


@get("/", opt={"action": Action.USER_API_KEYS})
async def list_all(user: FromPath[UUID], runtime: NamedDependency[Runtime]) -> list[Shown]:
    """Those that are not revoked, the oldest first."""
    keys = (await runtime.load(USER, user)).state.entry.api_keys
    used = await runtime.api_keys.used(user)
    return [_shown(id_, key, used.get(id_)) for id_, key in keys.items()]


@post("/", opt={"action": Action.USER_API_KEYS})
async def create(
    user: FromPath[UUID], data: JSONBody[NewKey], call: NamedDependency[Call]
) -> Response[Made]:
    """A key for oneself, or as an admin for somebody. It never may more than its owner."""
    scopes.check(data.scopes)
    now, runtime = call.runtime.now(), call.runtime
    expires = data.expires or now + LASTS
    if expires.tzinfo is None:
        raise Invalid("api_key.bad_expires")
    id_ = runtime.new_id()
    command = CreateApiKey(
        key=id_, name=data.name, scopes=tuple(data.scopes), expires=expires, at=now
    )
    outcome = await call.execute(USER, user, command)
    if outcome.repeated:
        raise WrongState("api_key.told_once")
    text, hashed = kept.make(id_)
    await runtime.api_keys.keep(id_, user, hashed)
    made = Made(id_, text, expires, outcome.version, outcome.position)
    return Response(made, status_code=HTTP_201_CREATED, headers=steered(outcome))


@delete("/{key:uuid}", status_code=200, opt={"action": Action.USER_API_KEYS})
async def revoke(
    user: FromPath[UUID], key: FromPath[UUID], call: NamedDependency[Call]
) -> Response[Done]:
    """Counts at once; its sockets close."""
    return done(await call.execute(USER, user, RevokeApiKey(key=key)), user)


def _shown(id_: UUID, key: ApiKey, used_at: datetime | None) -> Shown:
    return Shown(id_, key.name, key.scopes, key.at, key.expires, used_at)


api_keys = Router(
    "/users/{user:uuid}/api-keys", route_handlers=[list_all, create, revoke], tags=["users"]
)
