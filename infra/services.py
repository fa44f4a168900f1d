"""Services: the parts of a process. Each starts after those it needs, the others side by side; it
is watched, started anew when it fails, and stopped before those it needs.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from graphlib import TopologicalSorter
from random import Random
from typing import cast

import msgspec
import structlog

from infra.eventstore.codec import UnknownTag
from infra.waiting import cancelled

FIRST_DELAY_S, MOST_DELAY_S = 0.2, 10.0
STEADY_S = 30.0  # what went well for so long is started anew at once again
JITTER = 0.2  # of a pause, up or down: what failed together does not come back together
MOST_TOLD = 200  # characters of an error

log = structlog.get_logger()

# Of our own: whoever else counts on the module's, in whatever thread, is not disturbed.
_random = Random()  # noqa: S311, no secret


class State(StrEnum):
    STARTING = "starting"
    UP = "up"
    DOWN = "down"  # it runs, but its check fails
    BACKOFF = "backoff"  # it failed, and is started anew after a pause
    STOPPED = "stopped"


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """`open`: what it has as long as it is up. `run`: what it does; it never ends by itself.

    `check` raises while it is of no use. What fails is asked again later and later, so that who is
    away is left alone, and then once: that answer counts.
    """

    name: str
    needs: tuple[str, ...] = ()
    open: Callable[[], AbstractAsyncContextManager[object]] | None = None
    run: Callable[[], Awaitable[object]] | None = None
    check: Callable[[], Awaitable[object]] | None = None
    essential: bool = True  # without it the process is not ready; else it does less
    server: bool = False  # somebody else's, over the network
    every_s: float = 5.0  # between two checks
    most_s: float = 60.0  # between two that fail
    patience_s: float = 2.0  # for a check
    stop_s: float = 5.0


class ServiceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a service is, and since when. `latency_ms`: of its last check."""

    name: str
    state: State
    since: datetime
    essential: bool = True
    server: bool = False
    latency_ms: float | None = None
    restarts: int = 0
    error: str = ""  # the last one

    @property
    def is_up(self) -> bool:
        return self.state is State.UP

    @property
    def is_lacked(self) -> bool:
        """It is away, and the process does without."""
        return not self.essential and self.state in (State.DOWN, State.BACKOFF)


class Part:
    """A service of this process as it is now."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self.service = service
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopped = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self._now = now
        self._told = ServiceState(
            name=service.name,
            state=State.STARTING,
            since=now(),
            essential=service.essential,
            server=service.server,
        )

    @property
    def told(self) -> ServiceState:
        return self._told

    async def keep(self) -> None:
        """Run it until cancelled. Raises what fails it before it was ever up, and UnknownTag."""
        loop, delay_s = asyncio.get_running_loop(), 0.0
        while not cancelled():
            since = loop.time()
            try:
                await self._live()
                error: Exception = RuntimeError("it ended")
            except Exception as caught:
                if not self.begun.done() or _is_fatal(caught):
                    raise
                error = caught
                log.exception("service_failed", service=self.service.name)
            if cancelled():
                return
            delay_s = _later(delay_s if loop.time() - since < STEADY_S else 0.0, MOST_DELAY_S)
            self._enter(State.BACKOFF, error=_said(error))
            await asyncio.sleep(_jittered(delay_s))
            self._enter(State.STARTING, restarts=self._told.restarts + 1)

    async def watch(self, check: Callable[[], Awaitable[object]]) -> None:
        """Check it until cancelled."""
        service, loop = self.service, asyncio.get_running_loop()
        pause_s = service.every_s
        while not cancelled():
            started = loop.time()
            try:
                async with asyncio.timeout(service.patience_s):
                    await check()
            except Exception as error:  # noqa: BLE001, whatever it is: it is of no use
                pause_s = min(_later(pause_s), max(service.most_s, service.every_s))
                if self._told.state in (State.STARTING, State.UP):
                    log.warning("service_down", service=service.name, error=_said(error))
                    self._enter(State.DOWN)
                self._note(error=_said(error), latency_ms=None)
            else:
                pause_s = service.every_s
                if self._told.state in (State.STARTING, State.DOWN):
                    self._enter(State.UP)
                self._note(latency_ms=round((loop.time() - started) * 1_000, 2))
            await asyncio.sleep(_jittered(pause_s))

    def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        self._enter(State.STOPPED)

    async def _live(self) -> None:
        service = self.service
        async with AsyncExitStack() as stack:
            if service.open is not None:
                await stack.enter_async_context(service.open())
            if service.open is not None or service.check is None:
                self._enter(State.UP)
            if not self.begun.done():
                self.begun.set_result(None)
            await (service.run() if service.run is not None else asyncio.Event().wait())

    def _enter(self, state: State, **more: object) -> None:
        since = self._told.since if state is self._told.state else self._now()
        self._note(state=state, since=since, **more)

    def _note(self, **more: object) -> None:
        self._told = msgspec.structs.replace(self._told, **more)


class Services:
    """Those of one process."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._parts: dict[str, Part] = {}
        self._began = time.monotonic()
        self._fatal: BaseException | None = None
        self._host: asyncio.Task[object] | None = None

    @asynccontextmanager
    async def running(self, *services: Service) -> AsyncGenerator[None]:
        """All are up inside; on leaving they are stopped, those that others need last.

        Raises what the first that fails to start fails with; and, from wherever the process is,
        what must end it.
        """
        self._host = self._host or asyncio.current_task()
        mine = [Part(service, self._now) for service in self._ordered(services)]
        self._parts |= {part.service.name: part for part in mine}
        try:
            await self._start(mine)
            yield
        except asyncio.CancelledError:
            if self._fatal is None:
                raise
            raise self._fatal from None
        finally:
            await self._stop(mine)
            for part in mine:
                del self._parts[part.service.name]

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self._began

    def state(self) -> list[ServiceState]:
        """In the order in which they started."""
        return [part.told for part in self._parts.values()]

    def missing(self) -> list[str]:
        """Names of essential ones that are not up."""
        return [one.name for one in self.state() if one.essential and not one.is_up]

    def degraded(self) -> list[str]:
        """Names of others that are away."""
        return [one.name for one in self.state() if one.is_lacked]

    def _ordered(self, services: Iterable[Service]) -> list[Service]:
        given = {service.name: service for service in services}
        known = given.keys() | self._parts.keys()
        for service in given.values():
            if service.name in self._parts or not known.issuperset(service.needs):
                raise ValueError(f"{service.name} runs already, or needs what does not")
        order = TopologicalSorter({name: service.needs for name, service in given.items()})
        return [given[name] for name in order.static_order() if name in given]

    async def _start(self, parts: Iterable[Part]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(self._started(part))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _started(self, part: Part) -> None:
        service = part.service
        for name in service.needs:
            await asyncio.shield(self._parts[name].begun)
        keeping = asyncio.create_task(part.keep(), name=service.name)
        keeping.add_done_callback(partial(self._ended, part))
        part.tasks.append(keeping)
        await asyncio.wait({keeping, part.begun}, return_when=asyncio.FIRST_COMPLETED)
        if not part.begun.done():
            keeping.result()  # raises
        if service.check is not None:
            watching = part.watch(service.check)
            part.tasks.append(asyncio.create_task(watching, name=f"watch {service.name}"))

    def _ended(self, part: Part, task: "asyncio.Task[None]") -> None:
        """What is not to be tried again ends the process, whatever it is at."""
        if (
            part.begun.done()
            and not task.cancelled()
            and (error := task.exception())
            and self._host
        ):
            self._fatal = error
            self._host.cancel()

    async def _stop(self, parts: Iterable[Part]) -> None:
        await asyncio.gather(*(self._stopped(part) for part in parts))

    async def _stopped(self, part: Part) -> None:
        for other in self._parts.values():
            if part.service.name in other.service.needs:
                await other.stopped.wait()
        part.stop()
        try:
            if part.tasks:
                ended, late = await asyncio.wait(part.tasks, timeout=part.service.stop_s)
                for task in ended:
                    _ = task.cancelled() or task.exception()  # it was told already, or is late
                if late:
                    log.warning("service_left_behind", service=part.service.name)
        finally:
            part.stopped.set()


def _is_fatal(error: Exception) -> bool:
    """A newer version wrote to the log: this one must not go on."""
    if isinstance(error, ExceptionGroup):
        return cast("ExceptionGroup[Exception]", error).subgroup(UnknownTag) is not None
    return isinstance(error, UnknownTag)


def _later(pause_s: float, most_s: float = float("inf")) -> float:
    return min(pause_s * 2, most_s) or FIRST_DELAY_S


def _jittered(pause_s: float) -> float:
    return pause_s * _random.uniform(1 - JITTER, 1 + JITTER)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:MOST_TOLD].rstrip(": ")
