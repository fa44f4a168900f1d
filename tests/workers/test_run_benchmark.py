"""A benchmark as a job: a process of its own that tells how far it is, and leaves nothing."""

import asyncio
from uuid import uuid4

import psutil
import pytest

from bench.suites import SHORT
from domain.benchmark import BenchmarkSuite
from domain.errors import WrongState
from infra.mail import Mailer
from infra.runtime import Runtime
from tests.workers.benchmarked import RESULT, says
from tests.workers.office import until
from workers.model import Context
from workers.run_benchmark import alone, answered, benchmark, measured, missing


def context(runtime: Runtime) -> Context:
    return Context(runtime, Mailer(runtime.settings, runtime.now), uuid4(), 0, None)


def test_every_suite_but_the_long_ones_can_be_asked_for() -> None:
    assert {suite.value for suite in BenchmarkSuite} == {"guard", *SHORT}


def test_only_what_is_short_by_itself_is_run_whole() -> None:
    asked = {suite: benchmark(suite) for suite in BenchmarkSuite}
    assert [suite for suite, argv in asked.items() if "--quick" not in argv] == ["guard"]
    assert asked[BenchmarkSuite.JOBS][1:] == ("-m", "bench", "jobs", "--quick", "--json")


def test_what_is_not_installed_is_named() -> None:
    assert missing(("bench", "no_such_module")) == ["no_such_module"]


async def test_the_last_line_is_the_result(runtime: Runtime) -> None:
    found = await measured(context(runtime), says("round 1/1", RESULT), 1.0)
    assert (found.suite, found.took_s) == ("append", 3.0)
    assert [row["name"] for row in found.rows] == ["beside"]


async def test_a_benchmark_that_fails_is_refused_with_its_last_words(runtime: Runtime) -> None:
    with pytest.raises(WrongState) as caught:
        await measured(context(runtime), says("one", "no disk", then="raise SystemExit(3)"), 1.0)
    assert caught.value.code == "benchmark.failed"
    assert caught.value.detail == {"exit_code": 3, "said": "no disk"}
    with pytest.raises(WrongState):
        answered("", 0)


async def test_one_that_is_called_off_leaves_no_process(runtime: Runtime) -> None:
    mark = str(uuid4())
    waits = says("begun", then=f"import time; time.sleep(600)  # {mark}")

    def left() -> list[psutil.Process]:
        found = psutil.process_iter(["cmdline"])
        return [one for one in found if any(mark in word for word in one.info["cmdline"] or ())]

    async def begun() -> list[psutil.Process]:
        return left()

    running = asyncio.ensure_future(measured(context(runtime), waits, 1.0))
    await until(begun)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    assert left() == []


async def test_two_at_once_would_measure_each_other(runtime: Runtime) -> None:
    async with alone(runtime.settings.database_url):
        with pytest.raises(WrongState) as caught:
            async with alone(runtime.settings.database_url):
                pass
        assert caught.value.code == "benchmark.running"
    async with alone(runtime.settings.database_url):
        pass
