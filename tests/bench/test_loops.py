"""The loops that make load."""

import asyncio
import time
from itertools import pairwise

from bench.load.loops import Latencies, Window, closed_loop, open_loop

SHORT = Window(seconds=0.05, before_s=0.01)


async def test_a_closed_loop_has_as_many_callers_as_asked_and_never_more() -> None:
    inside = most = 0

    async def operation() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1

    sample = await closed_loop(7, SHORT, operation)
    assert (most, inside, sample.errors) == (7, 0, 0)
    assert sample.values["per_s"] > 0


async def test_a_closed_loop_counts_no_answer_outside_of_its_window() -> None:
    """One answer before the window opens, the other long after it has closed."""
    answers = 0

    async def operation() -> None:
        nonlocal answers
        if answers:
            await asyncio.sleep(0.5)
        answers += 1

    sample = await closed_loop(1, Window(seconds=0.02, before_s=0.01), operation)
    assert answers == 2
    assert sample.values["per_s"] == 0


async def test_errors_are_counted_and_the_first_is_named() -> None:
    async def operation() -> None:
        raise ValueError("no room")

    sample = await closed_loop(2, SHORT, operation)
    assert sample.errors > 2
    assert (sample.error, sample.values["per_s"]) == ("ValueError: no room", 0)


async def test_an_open_loop_keeps_its_schedule_however_slow_the_answers_are() -> None:
    """Nobody is answered before the last has come: the first waited for all the others."""
    rate, due, latencies = 500, list[float](), Latencies(since=0.0)
    last = asyncio.Event()

    async def operation(scheduled: float) -> None:
        due.append(scheduled)
        if len(due) == 50:
            last.set()
        await last.wait()
        latencies.record(scheduled)

    tally = await open_loop(rate, Window(seconds=0.1, before_s=0.0), operation)
    assert (tally.done, tally.errors) == (50, 0)
    apart = [after - before for before, after in pairwise(due)]
    assert all(abs(one - 1 / rate) < 1e-6 for one in apart)
    assert latencies.percentile_ms(100) >= 49 / rate * 1_000
    assert latencies.percentile_ms(50) >= 24 / rate * 1_000


async def test_what_was_due_while_warming_up_is_not_recorded() -> None:
    now = time.perf_counter()
    latencies = Latencies(since=now)
    latencies.record(now - 10.0)
    assert latencies.values("append") == {}
    latencies.record(now)
    assert latencies.values("append").keys() == {"append p50", "append p99"}
    assert 0 < latencies.percentile_ms(100) < 10_000
