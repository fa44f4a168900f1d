"""/users/{user}/preferences: how one wants to hear of things."""

from uuid import UUID

import msgspec
from litestar import Response, Router, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from api.call import Call, Done, done, etag
from domain.access import Action
from domain.errors import NotFound
from domain.preferences import (
    PREFERENCES,
    Channels,
    Notice,
    SetPreferences,
    preferences_stream,
)
from domain.user import USER
from infra.runtime import Runtime


class Preferences(msgspec.Struct, frozen=True):
    """`digest_hour`: there, where `zone` is (an IANA name; "": where the server is)."""

    channels: dict[Notice, Channels]
    digest_hour: int
    zone: str


class NewPreferences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    channels: dict[Notice, Channels] = {}
    digest_hour: int | UnsetType = UNSET
    zone: str | UnsetType = UNSET


@get("/", opt={"action": Action.USER_PREFERENCES})
async def get_preferences(
    user: FromPath[UUID], runtime: NamedDependency[Runtime]
) -> Response[Preferences]:
    await _require_known(runtime, user)
    loaded = await runtime.load(PREFERENCES, preferences_stream(user))
    state = loaded.state
    shown = Preferences(
        {notice: state.of(notice) for notice in Notice}, state.time.hour, state.time.zone
    )
    return Response(shown, headers={"ETag": etag(loaded.version)})


@put("/", opt={"action": Action.USER_PREFERENCES})
async def set_preferences(
    user: FromPath[UUID], data: JSONBody[NewPreferences], call: NamedDependency[Call]
) -> Response[Done]:
    await _require_known(call.runtime, user)
    command = SetPreferences(
        user=user, channels=data.channels, hour=data.digest_hour, zone=data.zone
    )
    return done(await call.execute(PREFERENCES, preferences_stream(user), command), user)


async def _require_known(runtime: Runtime, user: UUID) -> None:
    if (await runtime.load(USER, user)).state.status is None:
        raise NotFound("user.not_found")


preferences = Router(
    "/users/{user:uuid}/preferences",
    route_handlers=[get_preferences, set_preferences],
    tags=["users"],
)
