"""/metrics: what this process has counted, and how the queues do, for Prometheus."""

import asyncio

import psycopg
import structlog
from litestar import Response, Router, get
from litestar.di import NamedDependency

from api.bounding import bounded_guard
from domain.access import Action
from infra.jobs.board import Board
from infra.jobs.meters import meters
from infra.metrics import CONTENT_TYPE, Metrics

PATIENCE_S = 2.0  # with Postgres: what the process has counted is told without

log = structlog.get_logger()


@get("/", opt={"action": Action.METRICS_READ}, include_in_schema=False)
async def read(counted: NamedDependency[Metrics], board: NamedDependency[Board]) -> Response[str]:
    return Response(counted.text() + await _queues(board), media_type=CONTENT_TYPE)


async def _queues(board: Board) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return Metrics(meters(await board.queues())).text()
    except (psycopg.OperationalError, TimeoutError) as error:
        log.warning("queues_not_measured", error=repr(error))
        return ""


metrics = Router("/metrics", route_handlers=[read], guards=[bounded_guard])
