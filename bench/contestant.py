"""Contestants: processes of their own, so that none shares an interpreter or a loop."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Timer
from typing import IO

import msgspec

from bench.child import Sample

LIMIT_S = 300.0  # of one process, mostly: one that hangs must not hang the suite
MAX_WORDS = 300  # characters of what a process that failed said last


class Contestant(msgspec.Struct, frozen=True):
    """A name, and the arguments of its processes; several begin at once and add up.

    The module that defines the arguments is the program: it takes them and answers a Sample.
    """

    name: str
    processes: tuple[msgspec.Struct, ...]
    limit_s: float = LIMIT_S


def contestant(name: str, *processes: msgspec.Struct, limit_s: float = LIMIT_S) -> Contestant:
    return Contestant(name, processes, limit_s)


def play(one: Contestant) -> Sample:
    """One round of one contestant; a process that fails is an error in its sample."""
    with ExitStack() as stack:
        running = [
            stack.enter_context(_started(arguments, one.limit_s)) for arguments in one.processes
        ]
        if len(running) > 1:
            for process in running:
                process.until_ready()
            for process in running:
                process.begin()
        return _total([process.answer() for process in running])


class _Process:
    """Speaks with a child as bench.child does. What it logs goes to a file: a pipe could fill."""

    def __init__(self, arguments: msgspec.Struct, said: IO[bytes], limit_s: float) -> None:
        program = [sys.executable, "-m", type(arguments).__module__, msgspec.json.encode(arguments)]
        self._said = said
        self._child = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        self._limit_s = limit_s
        self._limit = Timer(limit_s, self._kill)
        self._limit.start()

    def until_ready(self) -> None:
        """Returns also when it has died: the answer tells."""
        if self._child.stdout is not None:
            self._child.stdout.readline()

    def begin(self) -> None:
        if self._child.stdin is not None:
            with suppress(BrokenPipeError):  # it has died: the answer tells
                self._child.stdin.write(b"\n")
                self._child.stdin.flush()

    def answer(self) -> Sample:
        """Lets it begin, if it still waits, and waits for its end."""
        printed, _ = self._child.communicate()
        if self._child.returncode == 0 and printed:
            return msgspec.json.decode(printed.splitlines()[-1], type=Sample)
        self._said.seek(0)
        words = self._said.read().decode(errors="replace").strip().splitlines()
        ended = f"no answer, exit code {self._child.returncode} (time limit: {self._limit_s:.0f} s)"
        return Sample({}, 1, words[-1][:MAX_WORDS] if words else ended)

    def close(self) -> None:
        """Nothing that it started is left behind either."""
        self._limit.cancel()
        self._kill()
        self._child.communicate()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)


@contextmanager
def _started(arguments: msgspec.Struct, limit_s: float) -> Generator[_Process]:
    with tempfile.TemporaryFile() as said:
        process = _Process(arguments, said, limit_s)
        try:
            yield process
        finally:
            process.close()


def _total(samples: Sequence[Sample]) -> Sample:
    """Rates of processes that ran at once add up."""
    metrics = [name for name in samples[0].values if all(name in one.values for one in samples)]
    return Sample(
        {metric: sum(one.values[metric] for one in samples) for metric in metrics},
        sum(one.errors for one in samples),
        next((one.error for one in samples if one.error), ""),
    )
