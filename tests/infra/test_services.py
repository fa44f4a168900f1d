"""The services of a process: their order, their failures, and their end."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from infra import services as under_test
from infra.eventstore.codec import UnknownTag
from infra.services import Service, Services, State

AT = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def services() -> Services:
    return Services(lambda: AT)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "FIRST_DELAY_S", 0.001)


def noting(name: str, notes: list[str]) -> Callable[[], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[None]:
        notes.append(f"{name} opens")
        await asyncio.sleep(0)
        notes.append(f"{name} is open")
        try:
            yield
        finally:
            notes.append(f"{name} closes")

    return opened


def state(services: Services, name: str) -> State:
    return next(one.state for one in services.state() if one.name == name)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110, what is waited for happens in this loop
            await asyncio.sleep(0)


async def test_each_starts_after_those_it_needs_and_stops_before_them(services: Services) -> None:
    notes: list[str] = []
    a, b, c = (noting(name, notes) for name in "abc")
    needs_both = Service(name="c", needs=("a", "b"), open=c)
    async with services.running(needs_both, Service(name="a", open=a), Service(name="b", open=b)):
        assert notes == ["a opens", "b opens", "a is open", "b is open", "c opens", "c is open"]
        assert {one.state for one in services.state()} == {State.UP}
    assert notes[6] == "c closes"
    assert sorted(notes[7:]) == ["a closes", "b closes"]
    assert services.state() == []


async def test_what_fails_to_start_is_raised_and_the_others_are_stopped(services: Services) -> None:
    notes: list[str] = []

    @asynccontextmanager
    async def fails() -> AsyncGenerator[None]:
        raise ConnectionRefusedError("nobody")
        yield

    a, b = Service(name="a", open=noting("a", notes)), Service(name="b", needs=("a",), open=fails)
    with pytest.raises(ConnectionRefusedError, match="nobody"):
        async with services.running(a, b):
            pytest.fail("it began")
    assert notes[-1] == "a closes"


@pytest.mark.usefixtures("quick")
async def test_what_fails_is_started_anew_with_all_that_it_has(services: Services) -> None:
    notes: list[str] = []
    lives = 0

    async def run() -> None:
        nonlocal lives
        lives += 1
        if lives < 3:
            raise RuntimeError("boom")
        await asyncio.Event().wait()

    frail = Service(name="frail", open=noting("frail", notes), run=run)
    async with services.running(frail):
        await until(lambda: lives == 3)
        [told] = services.state()
        assert (told.state, told.restarts, told.error) == (State.UP, 2, "RuntimeError: boom")
    assert notes == ["frail opens", "frail is open", "frail closes"] * 3


@pytest.mark.parametrize(("essential", "missing", "degraded"), [
    (True, ["ends"], []),
    (False, [], ["ends"]),
])  # fmt: skip
async def test_what_ends_by_itself_has_failed(
    services: Services, essential: bool, missing: list[str], degraded: list[str]
) -> None:
    async def run() -> None:
        await asyncio.sleep(0)

    async with services.running(Service(name="ends", run=run, essential=essential)):
        await until(lambda: state(services, "ends") is State.BACKOFF)
        assert (services.missing(), services.degraded()) == (missing, degraded)


async def test_what_a_newer_version_wrote_ends_the_process(services: Services) -> None:
    async def run() -> None:
        await asyncio.sleep(0)
        raise ExceptionGroup("of tasks", [UnknownTag("task.folded.v9")])

    async def process() -> None:
        reader, other = Service(name="reader", run=run), Service(name="other")
        async with services.running(reader), services.running(other):
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await process()
    assert caught.group_contains(UnknownTag)


async def test_who_is_away_is_asked_later_and_later_and_then_once(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    there = True

    async def check() -> None:
        if not there:
            raise TimeoutError("no answer")

    async def sleep(pause_s: float) -> None:
        nonlocal there
        pauses.append(pause_s)
        seen.append((state(services, "far"), services.degraded()))
        there = len(pauses) not in range(1, 6)
        if len(pauses) == 8:
            await asyncio.Event().wait()

    seen: list[tuple[State, list[str]]] = []
    monkeypatch.setattr(under_test, "JITTER", 0.0)
    monkeypatch.setattr(under_test.asyncio, "sleep", sleep)
    far = Service(name="far", check=check, essential=False, server=True, every_s=5.0, most_s=30.0)
    async with services.running(far):
        async with asyncio.timeout(5):
            while len(pauses) < 8:
                await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0.001)
        assert pauses == [5, 10, 20, 30, 30, 30, 5, 5]
        assert seen[0] == (State.UP, [])
        assert seen[1:6] == [(State.DOWN, ["far"])] * 5
        assert seen[6] == (State.UP, [])


async def test_one_that_does_not_stop_in_time_keeps_nobody(services: Services) -> None:
    stays, notes = asyncio.Event(), list[str]()

    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await stays.wait()

    stubborn = Service(name="stubborn", needs=("below",), run=run, stop_s=0.01)
    below = Service(name="below", open=noting("below", notes))
    async with asyncio.timeout(5), services.running(stubborn, below):
        pass
    assert notes[-1] == "below closes"
    stays.set()


async def test_a_name_is_taken_once_and_needs_must_be_there(services: Services) -> None:
    async with services.running(Service(name="a")):
        for bad in (Service(name="a"), Service(name="b", needs=("nobody",))):
            with pytest.raises(ValueError, match=bad.name):
                async with services.running(bad):
                    pytest.fail("it began")


async def test_one_that_loses_its_cancellation_and_ends_is_not_started_anew(
    services: Services,
) -> None:
    lives = 0

    async def run() -> None:
        nonlocal lives
        lives += 1
        with suppress(asyncio.CancelledError):  # as redis-py does while it connects
            await asyncio.Event().wait()

    async with asyncio.timeout(1), services.running(Service(name="deaf", run=run)):
        await asyncio.sleep(0)
    assert lives == 1
