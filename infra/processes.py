"""What the supervisor runs: a process's specification, its start, and finding those left behind."""

import asyncio
import ctypes
import os
import pwd
import resource
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

LOG_LIMIT = 10 * 1024 * 1024  # bytes; a longer log is put aside at the next start
TAIL_LINES, TAIL_BYTES = 15, 8_192
LEFTOVER_S = 15.0  # for a clean end of what a killed supervisor left
POLL_S = 0.02
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LIBC = ctypes.CDLL(None)


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is started, known to be ready, and stopped."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]  # all of it: nothing is inherited
    cwd: Path
    user: str | None = None  # None: the user of the supervisor
    needs: tuple[str, ...] = ()  # names of processes that must be ready first
    before: Callable[[], None] | None = None  # blocking; runs ahead of every start
    ready: Callable[[], Awaitable[bool]] | None = None  # None: ready as soon as it runs
    start_timeout_s: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    # Sent by the kernel when the supervisor dies. Nobody is left to insist then, hence KILL.
    death_signal: signal.Signals = signal.SIGKILL
    log_file: Path | None = None  # None: the supervisor's own output
    memory: int | None = None  # bytes of addresses; None, as below: no limit
    cpu_s: int | None = None  # of processor time, then SIGXCPU
    file_bytes: int | None = None  # of the largest file that it may write


async def spawn(spec: ProcessSpec) -> Process:
    """A child in a session of its own, so that a terminal's Ctrl-C reaches the supervisor alone."""
    output = None if spec.log_file is None else _open_log(spec.log_file)
    try:
        return await asyncio.create_subprocess_exec(
            *spec.argv,
            stdin=DEVNULL,
            stdout=output,
            stderr=None if output is None else STDOUT,
            env=spec.env,
            cwd=spec.cwd,
            start_new_session=True,
            preexec_fn=_child_setup(spec),
        )
    finally:
        if output is not None:
            os.close(output)


def _child_setup(spec: ProcessSpec) -> Callable[[], None]:
    """What the child does between fork and exec; all that may block or import is done here."""
    supervisor, death_signal = os.getpid(), int(spec.death_signal)
    user = pwd.getpwnam(spec.user) if spec.user is not None else None
    prctl = getattr(LIBC, "prctl", None)  # Linux only: elsewhere `end_leftovers` is all there is
    root = os.geteuid() == 0
    limits = {
        resource.RLIMIT_AS: spec.memory,
        resource.RLIMIT_CPU: spec.cpu_s,
        resource.RLIMIT_FSIZE: spec.file_bytes,
    }
    bounds = [(kind, most) for kind, most in limits.items() if most is not None]

    def setup() -> None:
        if user is not None:
            if root:  # only root may change them, or needs to
                os.setgroups([user.pw_gid])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, death_signal)  # after setuid, which clears it
        for kind, most in bounds:
            resource.setrlimit(kind, (most, most))
        if os.getppid() != supervisor:  # it died before the line above: no signal will come
            os._exit(1)

    return setup


def signal_group(leader: int, number: signal.Signals) -> None:
    """Signal a child and what it started in its group, as far as any of it still runs."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)


def log_size(path: Path | None) -> int:
    return path.stat().st_size if path is not None and path.exists() else 0


def log_tail(path: Path | None, after: int) -> str:
    """The last lines written past `after` bytes; a log that was put aside counts from zero."""
    if path is None or not path.exists():
        return ""
    size = path.stat().st_size
    with path.open("rb") as written:
        written.seek(max(after if after <= size else 0, size - TAIL_BYTES))
        return "\n".join(written.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


def running_in(folder: Path, program: str) -> list[psutil.Process]:
    """Processes of `program` that work in `folder`.

    Unlike a number in a pid file, that cannot be mistaken for a later process with the same pid.
    """
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == program and process.info["cwd"] == str(folder)
    ]


def end_leftovers(folder: Path, program: str, stop_signal: signal.Signals) -> None:
    """End what a killed supervisor left running in `folder`: cleanly, and by force when late."""
    left = running_in(folder, program)
    pids = {process.pid for process in left}
    for process in left:
        with suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:  # the others end with their parent
                process.send_signal(stop_signal)
    late = time.monotonic() + LEFTOVER_S
    while left:
        time.sleep(POLL_S)
        left = running_in(folder, program)
        if time.monotonic() > late:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
