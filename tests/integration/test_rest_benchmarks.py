"""Benchmarks over REST: admins ask for them, operators see what came of them."""

from pathlib import Path
from uuid import uuid4

import msgspec

from bench.stored import load
from tests.bench.results import BESIDE
from tests.integration.conftest import Api
from tests.workers.benchmarked import RESULT, instead, says
from tests.workers.office import QUICK, until, working

PATH = "/realtime/benchmark"


async def test_a_benchmark_is_asked_for_told_of_and_compared(api: Api, tmp_path: Path) -> None:
    ada, otto = await api.as_("admin"), await api.as_("operator")
    job = instead(*says("round 1/1", RESULT))
    async with working(api.runtime.settings, QUICK, [job]):
        made = await ada.do("POST", f"{PATH}/run", {"suite": "append"})

        async def done() -> bool:
            listed = await otto.get(f"{PATH}/results")
            return listed["items"][0]["state"] == "done"

        await until(done)
    [one] = (await otto.get(f"{PATH}/results"))["items"]
    assert (one["id"], one["suite"], one["error"]) == (made["id"], "append", None)
    lines = (await otto.get(f"/realtime/jobs/{made['id']}/log"))["items"]
    assert [line["line"] for line in lines] == ["round 1/1"]
    result = tmp_path / "result.json"
    result.write_bytes(msgspec.json.encode(await otto.get(f"{PATH}/results/{made['id']}")))
    assert load(result).rows == [BESIDE]


async def test_there_is_one_benchmark_at_a_time_and_none_for_others(api: Api) -> None:
    ada, amy = await api.as_("admin"), await api.as_("admin")
    otto = await api.as_("operator")
    assert await otto.refused("POST", f"{PATH}/run", {}) == "403 access.denied"
    asks = {"args": {"type": "run_benchmark"}}
    assert await otto.refused("POST", "/realtime/jobs/", asks) == "403 access.denied"
    assert await ada.refused("POST", f"{PATH}/run", {"suite": "growth"}) == "422 request.invalid"
    waits = instead(*says("begun", then="import time; time.sleep(600)"))
    async with working(api.runtime.settings, QUICK, [waits]):
        made = await ada.do("POST", f"{PATH}/run", {})
        assert made["applied"] is True
        assert await amy.refused("POST", f"{PATH}/run", {}) == "409 benchmark.running"
        one = f"{PATH}/results/{made['id']}"
        assert await otto.refused("GET", one) == "409 benchmark.not_done"
        await ada.do("POST", f"/realtime/jobs/{made['id']}/cancel", {})

        async def over() -> bool:
            listed = await otto.get(f"{PATH}/results")
            return listed["items"][0]["state"] == "cancelled"

        await until(over)
    assert await otto.refused("GET", f"{PATH}/results/{uuid4()}") == "404 benchmark.not_found"
