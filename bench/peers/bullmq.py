"""BullMQ on Node, on Redis and on its Postgres backend, installed here when a suite asks for it."""

import os
from pathlib import Path

import msgspec

from bench.child import given
from bench.load.loops import Window
from bench.peers import npm

FOLDER = Path(__file__).parent / "bullmq"


class NodeJobs(msgspec.Struct, frozen=True):
    """`part`: drain, enqueue, pickup or takeover."""

    url: str
    part: str
    jobs: int = 0
    concurrency: int = 50
    rate: int = 0
    window: Window = Window(1.0)


def install() -> str | None:
    """Why it cannot be played against, None if it can."""
    return npm.install(FOLDER)


if __name__ == "__main__":
    os.execvp("node", ("node", FOLDER / "work.mjs", msgspec.json.encode(given(NodeJobs))))  # noqa: S606
