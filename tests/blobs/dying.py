"""python -m tests.blobs.dying STEP put|hand_over CONTENT: killed before its nth step outwards.

A step is whatever changes a disk or a bucket, or waits for it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.blobs.door import open_blobs
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


def main(last: int, what: str, content: str) -> None:
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
    asyncio.run(_do(what, given))


async def _do(what: str, content: bytes) -> None:
    blobs = open_blobs(load_settings(), now)
    if what == "put":
        await put(blobs, "k", content)
    else:
        await blobs.hand_over()
    blobs.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
