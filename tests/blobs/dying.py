"""python -m tests.blobs.dying: for each line `STEP put|hand_over CONTENT` a process that is killed
before its nth step outwards; how it ended is answered. Forked: what takes long is loaded once.

A step is whatever changes a disk or a bucket, or waits for it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.blobs.door import Blobs, open_blobs
from infra.blobs.parting import Part
from infra.blobs.s3 import S3
from infra.settings import load_settings
from tests.blobs.conftest import now, put


class Steps:
    def __init__(self, last: int) -> None:
        self._left = last

    def before(self, done: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **named: Any) -> Any:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
            return done(*given, **named)

        return step


def live(blobs: Blobs, last: int, what: str, content: str) -> None:
    steps = Steps(last)
    for owner, name in (
        (os, "fsync"),
        (Path, "replace"),
        (Path, "unlink"),
        (Part, "_flush"),
        (S3, "ask"),
    ):
        setattr(owner, name, steps.before(getattr(owner, name)))
    given = Path(content).read_bytes() if what == "put" else b""
    asyncio.run(_do(blobs, what, given))


async def _do(blobs: Blobs, what: str, content: bytes) -> None:
    if what == "put":
        await put(blobs, "k", content)
    else:
        await blobs.hand_over()
    blobs.close()


def main() -> None:
    blobs = open_blobs(load_settings(), now)  # no connection is open, and no thread runs
    for line in sys.stdin:
        step, what, content = line.split()
        child = os.fork()
        if child == 0:
            live(blobs, int(step), what, content)
            sys.exit()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
