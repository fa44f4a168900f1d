"""An API process that measures nothing of itself: no samples, no times of routes, no loop's lag."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from api import edge, main, serving
from infra.metrics import Metrics
from infra.runtime import Runtime


@asynccontextmanager
async def _sampling(_runtime: Runtime, _role: str, _metrics: Metrics) -> AsyncGenerator[None]:
    yield


def _responded(_scope: object, _status: int) -> None:
    pass


if __name__ == "__main__":
    serving.sampling = _sampling
    edge.responded = _responded
    sys.exit(main.main())
