"""/metrics: what this process has counted, for operators and for Prometheus."""

from litestar import Response, Router, get
from litestar.di import NamedDependency

from api.auth import guard
from domain.access import Action
from infra.metrics import CONTENT_TYPE, Metrics


@get("/", opt={"action": Action.METRICS_READ}, include_in_schema=False)
async def read(counted: NamedDependency[Metrics]) -> Response[str]:
    return Response(counted.text(), media_type=CONTENT_TYPE)


metrics = Router("/metrics", route_handlers=[read], guards=[guard])
