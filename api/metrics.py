"""/metrics: what this process has counted, what those without a port have, and the queues."""

import asyncio

import psycopg
import structlog
from litestar import Response, Router, get
from litestar.di import NamedDependency
from redis.exceptions import RedisError

from api.auth import guard
from domain.access import Action
from infra.jobs.board import Board
from infra.jobs.meters import meters
from infra.metrics import CONTENT_TYPE, Family, Metrics, text
from infra.monitoring.sampling import shared
from infra.monitoring.servers import ROLE
from infra.nodes import nodes
from infra.runtime import Runtime

PATIENCE_S = 2.0  # with Postgres: what the process has counted is told without

log = structlog.get_logger()


@get("/", opt={"action": Action.METRICS_READ}, include_in_schema=False)
async def read(
    runtime: NamedDependency[Runtime],
    counted: NamedDependency[Metrics],
    board: NamedDependency[Board],
) -> Response[str]:
    families = [*counted.read(), *await _others(runtime), *await _queues(board)]
    return Response(text(families), media_type=CONTENT_TYPE)


async def _others(runtime: Runtime) -> list[Family]:
    """As they last shared it. Other API processes tell of themselves."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = [one for one in await nodes(runtime) if one.alive and one.role != "api"]
            return await shared(runtime, [*(str(one.node) for one in found), ROLE])
    except (psycopg.OperationalError, RedisError, OSError) as error:
        log.warning("others_not_measured", error=repr(error))
        return []


async def _queues(board: Board) -> list[Family]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return Metrics(meters(await board.queues())).read()
    except (psycopg.OperationalError, TimeoutError) as error:
        log.warning("queues_not_measured", error=repr(error))
        return []


metrics = Router("/metrics", route_handlers=[read], before_request=guard)
