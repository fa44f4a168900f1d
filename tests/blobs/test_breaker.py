"""The circuit breaker by its own clock, and the locks that processes keep."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from domain.errors import NotFound
from infra.blobs.breaker import FAILURES, REST_S, Breaker
from infra.blobs.locks import Locks, unbroken
from infra.blobs.model import Unavailable

HOLDS = """
import asyncio, sys
from pathlib import Path
from infra.blobs.locks import Locks

async def hold():
    async with Locks(Path(sys.argv[1])).held("k"):
        print("held", flush=True)
        sys.stdin.read()

asyncio.run(hold())
"""


class Bench:
    """A breaker with a clock in hand."""

    def __init__(self) -> None:
        self.at = 0.0
        self.breaker = Breaker(lambda: self.at)
        self.asked = 0

    def ask(self, error: BaseException | None = None) -> None:
        with self.breaker.attempt():
            self.asked += 1
            if error is not None:
                raise error

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(Unavailable):
                self.ask(Unavailable("away"))


def test_it_opens_after_failures_in_a_row_and_then_asks_nobody() -> None:
    bench = Bench()
    bench.fail(FAILURES - 1)
    bench.ask()
    bench.fail(FAILURES)
    assert bench.breaker.is_open
    asked = bench.asked
    with pytest.raises(Unavailable) as caught:
        bench.ask()
    assert (bench.asked, caught.value.retry_after_s) == (asked, REST_S)


def test_one_probe_decides() -> None:
    bench = Bench()
    bench.fail(FAILURES)
    bench.at += REST_S
    bench.fail()
    assert bench.breaker.is_open
    bench.at += REST_S
    with bench.breaker.attempt(), pytest.raises(Unavailable):
        bench.ask()  # while the probe is out
    bench.ask()
    assert not bench.breaker.is_open


def test_what_the_caller_did_says_nothing_and_a_refusal_is_an_answer() -> None:
    bench = Bench()
    bench.fail(FAILURES)
    bench.at += REST_S
    with pytest.raises(ZeroDivisionError):
        bench.ask(ZeroDivisionError())
    bench.fail()
    bench.at += REST_S
    with pytest.raises(NotFound):
        bench.ask(NotFound("file.not_found"))
    bench.fail(FAILURES - 1)
    assert not bench.breaker.is_open


def test_it_may_be_opened_at_once() -> None:
    bench = Bench()
    bench.breaker.trip()
    with pytest.raises(Unavailable):
        bench.ask()
    bench.at += REST_S
    bench.ask()


async def test_a_lock_is_one_holder_s_and_others_go_on(tmp_path: Path) -> None:
    locks, order = Locks(tmp_path / "new"), list[str]()
    inside = asyncio.Event()

    async def second() -> None:
        inside.set()
        async with locks.held("k"):
            order.append("second")

    async with locks.held("k"):
        waiting = asyncio.create_task(second())
        await inside.wait()
        async with locks.held("other"), locks.tried("k") as mine:
            assert not mine
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDS, str(tmp_path)), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    async with locks.tried("k") as mine:
        assert not mine
    process.kill()
    await process.communicate()
    async with locks.tried("k") as mine:
        assert mine


async def test_what_was_begun_is_done_before_who_is_called_off_leaves() -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        begun.set()
        await may_end.wait()
        done.append("work")

    waiting = asyncio.create_task(unbroken(work()))
    await begun.wait()
    waiting.cancel()
    asyncio.get_running_loop().call_soon(may_end.set)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == ["work"]
