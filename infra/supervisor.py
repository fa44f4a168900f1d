"""Supervisor: starts processes in the order of their needs, restarts those that exit, stops all."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from graphlib import TopologicalSorter
from signal import SIGKILL
from time import monotonic
from typing import Self

import msgspec
import structlog

from infra.processes import POLL_S, ProcessSpec, log_size, log_tail, signal_group, spawn

FIRST_DELAY_S, MOST_DELAY_S = 0.2, 10.0
STEADY_S = 30.0  # a process that lived so long was healthy: its next restart is quick again
GRACE_S = 18.0  # for a clean stop of everything; killing the rest takes far below two seconds

log = structlog.get_logger()


class StartFailed(Exception):
    """A process exited, or was not ready in time: why, and the last lines it wrote."""


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    BACKOFF = "backoff"
    STOPPED = "stopped"


class ProcessState(msgspec.Struct, frozen=True):
    """One line of what an operator asks for."""

    name: str
    pid: int | None
    state: State
    restarts: int
    for_s: float  # how long it has been in this state


def next_delay_s(delay_s: float, lived_s: float) -> float:
    """The wait before a restart, given the previous wait (0 for none) and the life since."""
    if delay_s == 0 or lived_s >= STEADY_S:
        return FIRST_DELAY_S
    return min(delay_s * 2, MOST_DELAY_S)


class Child:
    """A process and, when it exits, its successors."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.ready, self.stopped = asyncio.Event(), asyncio.Event()
        self._restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._enter(State.STARTING)

    def report(self) -> ProcessState:
        pid = None if self._process is None else self._process.pid
        return ProcessState(
            self.spec.name, pid, self._state, self._restarts, for_s=monotonic() - self._since
        )

    async def launch(self) -> None:
        """Start it and wait until it is ready. Raises StartFailed; then nothing of it runs."""
        self._enter(State.STARTING)
        written = log_size(self.spec.log_file)
        try:
            async with asyncio.timeout(self.spec.start_timeout_s):
                if self.spec.before is not None:
                    await asyncio.to_thread(self.spec.before)
                self._process = await spawn(self.spec)
                log.info("process_started", name=self.spec.name, pid=self._process.pid)
                await self._until_ready(self._process)
        except (OSError, StartFailed) as error:  # TimeoutError is an OSError
            await self._end()
            raise StartFailed(self._explained(error, written)) from error
        self._enter(State.READY)
        self.ready.set()

    async def keep(self) -> None:
        """Restart it whenever it exits, later and later while it keeps exiting."""
        delay_s, ready_at = 0.0, monotonic()
        while True:
            code = await self._exit_code()
            delay_s = next_delay_s(delay_s, monotonic() - ready_at)
            self._enter(State.BACKOFF)
            log.warning("process_exited", name=self.spec.name, code=code, restart_in_s=delay_s)
            await asyncio.sleep(delay_s)
            self._restarts += 1
            try:
                await self.launch()
            except StartFailed as error:
                log.warning("process_not_restarted", name=self.spec.name, reason=str(error))
            ready_at = monotonic()

    async def stop(self) -> None:
        """Ask it to end, and kill it when it takes longer than it may."""
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(self.spec.stop_signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.spec.stop_timeout_s):
                    await process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it and all of its group at once."""
        await self._end()
        self.stopped.set()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        while self.spec.ready is not None and not await self.spec.ready():
            if process.returncode is not None:
                raise StartFailed(f"exited with {process.returncode} before it was ready")
            await asyncio.sleep(POLL_S)

    async def _end(self) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                log.warning("process_killed", name=self.spec.name, pid=self._process.pid)
            signal_group(self._process.pid, SIGKILL)
            await self._process.wait()
            self._process = None
        self._enter(State.STOPPED)

    async def _exit_code(self) -> int | None:
        """Wait for the end of the process, then end what it left in its group.

        It is forgotten at once: later its pid may be another's. None: it never came to run.
        """
        if self._process is None:
            return None
        code = await self._process.wait()
        signal_group(self._process.pid, SIGKILL)
        self._process = None
        return code

    def _explained(self, error: Exception, written: int) -> str:
        late = f"was not ready within {self.spec.start_timeout_s:g} s"
        reason = late if isinstance(error, TimeoutError) else str(error)
        return f"{self.spec.name} {reason}\n{log_tail(self.spec.log_file, written)}".rstrip()

    def _enter(self, state: State) -> None:
        self._state = state
        self._since = monotonic()


class Supervisor:
    """The processes of one machine. Leaving its context stops them all.

    The parent-death signal is bound to the thread that forks: run it in a thread that lives as
    long as the processes do.
    """

    def __init__(self) -> None:
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, *specs: ProcessSpec) -> None:
        """Start each after those it needs, the others side by side; all are ready on return.

        Raises StartFailed for the first that fails; those already running run on until `stop`.
        """
        for spec in self._ordered(specs):
            self._children[spec.name] = Child(spec)
        try:
            async with asyncio.TaskGroup() as group:
                for spec in specs:
                    group.create_task(self._start(self._children[spec.name]))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stop(self) -> None:
        """Stop each after those that need it. Bounded: what is late is killed."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        try:
            async with asyncio.timeout(GRACE_S), asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(self._stop(child))
        except TimeoutError:
            await asyncio.gather(*(child.kill() for child in self._children.values()))

    def state(self) -> list[ProcessState]:
        """In the order in which they were started."""
        return [child.report() for child in self._children.values()]

    def _ordered(self, specs: Iterable[ProcessSpec]) -> list[ProcessSpec]:
        given = {spec.name: spec for spec in specs}
        known = given.keys() | self._children.keys()
        for spec in given.values():
            if spec.name in self._children or not known.issuperset(spec.needs):
                raise ValueError(f"{spec.name} runs already, or needs what does not: {spec.needs}")
        order = TopologicalSorter({name: spec.needs for name, spec in given.items()})
        return [given[name] for name in order.static_order() if name in given]

    async def _start(self, child: Child) -> None:
        for name in child.spec.needs:
            await self._children[name].ready.wait()
        await child.launch()
        self._keepers.append(asyncio.create_task(child.keep(), name=f"keep {child.spec.name}"))

    async def _stop(self, child: Child) -> None:
        for other in self._children.values():
            if child.spec.name in other.spec.needs:
                await other.stopped.wait()
        await child.stop()
