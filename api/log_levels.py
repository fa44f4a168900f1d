"""/realtime/logging: what the processes write, changed for a while without a restart."""

from typing import Annotated

import msgspec
from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.call import Call
from domain.access import Action
from domain.log_level import SetLevel
from infra.log_levels import Level, levels_set, set_level
from infra.runtime import Runtime


class NewLevel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`logger`: a module and those below it, ours or a library's; empty: all. `seconds`: at the
    most a day, then the settings' level comes back by itself; 0: at once."""

    level: Annotated[str, Meta(max_length=10, examples=["debug"])]
    logger: Annotated[str, Meta(max_length=100, examples=["infra.eventstore"])] = ""
    seconds: Annotated[int, Meta(ge=0, le=86_400)] = 900


@get("/", opt={"action": Action.LOGGING_MANAGE})
async def list_levels(runtime: NamedDependency[Runtime]) -> list[Level]:
    """Those that differ from the settings for now."""
    async with runtime.db.connection() as db:
        return await levels_set(db)


@put("/", opt={"action": Action.LOGGING_MANAGE})
async def change_level(data: JSONBody[NewLevel], call: NamedDependency[Call]) -> list[Level]:
    """Every process follows within two seconds."""
    command = SetLevel(logger=data.logger, level=data.level, seconds=data.seconds)
    return await set_level(call.runtime, call.origin, command)


log_levels = Router(
    "/realtime/logging", route_handlers=[list_levels, change_level], tags=["operations"]
)
