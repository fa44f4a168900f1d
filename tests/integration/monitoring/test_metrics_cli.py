"""formula metrics: what is measured, for who has the database."""

from datetime import timedelta

import msgspec

from infra.monitoring.partitions import make
from infra.monitoring.samples import Batch, Sample, write
from infra.runtime import Runtime
from tests.integration.command import formula
from tests.integration.monitoring.given import A, seconds


async def measured(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        await make(db, runtime.now())
        some = [Sample("formula_process_cpu_share", "", 0.25), seconds("route=/x,status=2xx", 3)]
        await write(db, A, Batch(runtime.now() - timedelta(seconds=1), "api", some))


async def test_it_prints_what_is_measured_now(runtime: Runtime) -> None:
    await measured(runtime)
    code, out, err = await formula(runtime, "metrics", "--json")
    assert code == 0, err
    found = {one["metric"]: one for one in msgspec.json.decode(out)}
    assert found["formula_process_cpu_share"]["figures"]["avg"] == 0.25
    assert found["formula_http_seconds"]["labels"] == {"route": "/x", "status": "2xx"}
    code, out, err = await formula(runtime, "metrics")
    assert code == 0, err
    assert "api        formula_process_cpu_share{}  avg 0.25  max 0.25" in out.splitlines()


async def test_it_prints_how_a_metric_went(runtime: Runtime) -> None:
    await measured(runtime)
    asked = ("metrics", "trends", "formula_http_seconds", "--step", "10s", "--labels", "route=/x")
    code, out, err = await formula(runtime, *asked, "--json")
    assert code == 0, err
    found = msgspec.json.decode(out)
    assert (found["kind"], found["current"]["total"]["count"]) == ("histogram", 3)
    code, out, err = await formula(runtime, *asked)
    assert code == 0, err
    assert "all of it" in out


async def test_what_cannot_be_answered_is_one_line(runtime: Runtime) -> None:
    for options in (("--step", "7s"), ("--from", "yesterday"), ("--from", "2026-01-01")):
        code, _, err = await formula(runtime, "metrics", "trends", "formula_up", *options)
        assert code == 1
        assert len(err.strip().splitlines()) == 1, err
