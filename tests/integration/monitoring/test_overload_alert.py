"""A process that has more to do than it takes on tells of it, and of its end."""

from pathlib import Path
from typing import Any, cast

import pytest

from api.serving import config, front
from infra.admission import DOOR
from infra.metrics import Metrics
from infra.runtime import Runtime
from tests.api.busy import Busy, calling
from tests.integration.monitoring.watched import comes, process, quick, told, watched
from tests.integration.sockets import listening

pytestmark = pytest.mark.services


async def test_requests_that_are_turned_away(
    projected: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = quick(projected, tmp_path)
    monkeypatch.setattr(DOOR, "most", 1)
    metrics, app, no_gateway = Metrics(), Busy(), cast("Any", None)
    metrics.include(DOOR.metrics)
    async with (
        listening(config(front(app, no_gateway), runtime.settings)) as app.url,
        calling(app, 2) as (first, second),
        process(runtime, metrics),
        watched(runtime),
    ):
        first.ask("/work")
        await app.has_begun(1)
        while "fired" not in await told(runtime, "turned_away"):
            assert await second.status("/quick") == 503
        app.go_on.set()
        await first.answer()
        await comes(runtime, "turned_away", "resolved")
