"""/livez and /readyz: whether this process runs, and whether the system can take work."""

import asyncio

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from psycopg import OperationalError

from api.auth import Open
from infra.nodes import Heart, missing_roles
from infra.runtime import Runtime

PATIENCE_S = 2.0  # who asks has a time-out as well


class Alive(msgspec.Struct, frozen=True):
    status: str = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """`missing`: the roles of which no process is ready, and servers that do not answer."""

    status: str
    missing: list[str] = []


@get("/livez", opt={"action": Open.PUBLIC})
async def livez() -> Alive:
    return Alive()


@get("/readyz", opt={"action": Open.PUBLIC})
async def readyz(
    runtime: NamedDependency[Runtime], heart: NamedDependency[Heart]
) -> Response[Readiness]:
    if heart.state == "stopping":
        return _answer("stopping", [])
    missing = await _missing(runtime)
    return _answer("starting" if missing else "ready", missing)


async def _missing(runtime: Runtime) -> list[str]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await missing_roles(runtime)
    except (OperationalError, TimeoutError):
        return ["postgres"]


def _answer(status: str, missing: list[str]) -> Response[Readiness]:
    ready = status == "ready"
    return Response(
        Readiness(status, missing),
        status_code=HTTP_200_OK if ready else HTTP_503_SERVICE_UNAVAILABLE,
        headers={} if ready else {"Retry-After": "1"},
    )
