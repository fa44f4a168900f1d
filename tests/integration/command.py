"""`formula` as people call it: each call is a process, forked from one that has all imported.

To import is most of what a command takes; that it imports little is tests/api/test_commands.py's.
`python -m tests.integration.command` is the one that forks.
"""

import asyncio
import atexit
import gc
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NoReturn

import msgspec

from api.cli import COMMANDS, OF_AUDIT, OF_STORE, main
from infra.runtime import Runtime
from infra.settings import child_environment


class Call(msgspec.Struct, frozen=True):
    arguments: tuple[str, ...]
    environment: dict[str, str]
    out: str
    err: str


async def formula(runtime: Runtime, *arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was written to stdout and stderr."""
    code, out, err = await formula_bytes(runtime, *arguments)
    return code, out.decode(), err


async def formula_bytes(runtime: Runtime, *arguments: str) -> tuple[int, bytes, str]:
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        environment = child_environment(runtime.settings)
        call = Call(arguments, environment, str(out), str(err))
        code = await asyncio.to_thread(_caller(), call)
        return code, out.read_bytes(), err.read_text()


@cache
def _caller() -> Callable[[Call], int]:
    """Starts the one that forks; it ends with this process."""
    forking = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert forking.stdin is not None
    assert forking.stdout is not None
    calls, codes, one_at_a_time = forking.stdin, forking.stdout, Lock()

    def call(asked: Call) -> int:
        with one_at_a_time:
            calls.write(msgspec.json.encode(asked) + b"\n")
            calls.flush()
            return int(codes.readline())

    atexit.register(forking.communicate)
    return call


def serve() -> None:
    for listed in (*COMMANDS, *OF_AUDIT, *OF_STORE):
        listed.load()
    with redirect_stdout(io.StringIO()):
        sys.argv = ["formula", "jobs", "list", "--help"]
        _code()  # typer and rich import as they go
    gc.freeze()  # what a child's collector looks through, it would have to copy
    for line in sys.stdin.buffer:
        child = os.fork()
        if child == 0:
            _become(msgspec.json.decode(line, type=Call))
            _end(_code())
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _code() -> int:
    """Of `formula`, as Python ends with it."""
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end(code: int) -> NoReturn:
    """Nothing of what was imported is taken apart: that takes as long as a short command."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _become(call: Call) -> None:
    """Take the place of a process that was started with these."""
    os.environ.clear()
    os.environ.update(call.environment)
    for number, path in ((0, os.devnull), (1, call.out), (2, call.err)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.argv = ["formula", *call.arguments]


if __name__ == "__main__":
    serve()
