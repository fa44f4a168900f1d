"""/livez, /readyz, /startupz: whether this process runs, serves, and has ever begun to."""

import asyncio
from collections.abc import Sequence

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.status_codes import HTTP_200_OK, HTTP_503_SERVICE_UNAVAILABLE
from psycopg import OperationalError

from api.auth import Open
from infra.nodes import Heart, degraded, missing_roles, nodes
from infra.runtime import Runtime

PATIENCE_S = 2.0  # who asks has a time-out as well


class Alive(msgspec.Struct, frozen=True):
    status: str = "alive"


class Readiness(msgspec.Struct, frozen=True):
    """`missing`: services of this process that it cannot do without, and roles of which no process
    is ready. `degraded`: what is away without which all else goes on.
    """

    status: str  # starting, ready, stopping
    missing: Sequence[str] = ()
    degraded: Sequence[str] = ()


NOT_YET = {
    HTTP_503_SERVICE_UNAVAILABLE: ResponseSpec(
        data_container=Readiness, generate_examples=False, description="Not ready."
    )
}


@get("/livez", opt={"action": Open.PUBLIC})
async def livez() -> Alive:
    """Asks nobody: to start this process anew would not mend what is away."""
    return Alive()


@get("/startupz", opt={"action": Open.PUBLIC}, responses=NOT_YET)
async def startupz(heart: NamedDependency[Heart]) -> Response[Readiness]:
    """200 for good once it was ready for the first time."""
    return _answer(Readiness("ready" if heart.started else "starting"))


@get("/readyz", opt={"action": Open.PUBLIC}, responses=NOT_YET)
async def readyz(
    runtime: NamedDependency[Runtime], heart: NamedDependency[Heart]
) -> Response[Readiness]:
    if heart.state == "stopping":
        return _answer(Readiness("stopping"))
    missing, away = runtime.services.missing(), runtime.services.degraded()
    if not missing:
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await nodes(runtime)
            missing, away = missing_roles(found), degraded(found, away)
        except (OperationalError, TimeoutError):
            missing = ["postgres"]
    return _answer(Readiness("starting" if missing else "ready", missing, away))


def _answer(readiness: Readiness) -> Response[Readiness]:
    ready = readiness.status == "ready"
    return Response(
        readiness,
        status_code=HTTP_200_OK if ready else HTTP_503_SERVICE_UNAVAILABLE,
        headers={} if ready else {"Retry-After": "1"},
    )
