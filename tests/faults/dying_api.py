"""python -m tests.faults.dying_api: for each line an api process that is killed at that point, and
how it ended is answered. Forked: what takes long is loaded once.
"""

import importlib
import os
import signal
import sys
from typing import Any

from api import main as api
from infra import resumable

# What it is about to do, and how often it did that before. What a part needs comes first.
POINTS = {
    "show the last part": ("infra.blobs.local", "_appear", 0),
    "note the last part": ("infra.resumable", "append", 0),
    "claim the parts": ("infra.resumable", "claim", 0),
    "read them": ("api.resuming", "receive", 0),
    "make the file durable": ("infra.blobs.local", "_end", 1),
    "show the file": ("infra.blobs.local", "_appear", 1),
    "store the event": ("api.resuming", "keep", 0),
    "note the end": ("infra.uploads", "arrived", 0),
    "throw the first part away": ("infra.blobs.local", "_delete", 0),
    "throw the last part away": ("infra.blobs.local", "_delete", 1),
}
LEASE_S = 0.3  # who puts the parts together instead need not wait long


def live(point: str) -> int:
    place, name, times = POINTS[point]
    module = importlib.import_module(place)
    done, left = getattr(module, name), times

    def dying(*given: Any, **named: Any) -> Any:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return done(*given, **named)

    setattr(module, name, dying)
    resumable.LEASE_S = LEASE_S
    return api.main()


def main() -> None:
    importlib.import_module("api.serving")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.exit(live(line.strip()))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
