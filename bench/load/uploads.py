"""Many uploads at once: whether each arrives as it was sent, and who else waits for them."""

import asyncio
import time
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load import sending
from bench.load.asking import Asking
from bench.load.file_server import FileServer, made, serving_files
from bench.load.loops import Latencies, Tally, Window, open_loop
from infra.settings import Settings

OTHER = "/api/v1/projects"
RATE = 100  # requests a second, of what else is asked for
TURN = Window(0.5, 0.0)


class Uploads(msgspec.Struct, frozen=True):
    settings: Settings
    folder: str
    files: int
    bytes: int  # of each
    window: Window  # in which nothing is uploaded, to compare with


def run(load: Uploads) -> Sample:
    """`wrong`: files of another sha256 or size; `idle p99`, `busy p99` and their `ratio`."""
    with (
        TemporaryDirectory(dir=load.folder) as folder,
        serving_files(load.settings) as server,
    ):
        paths = [made(Path(folder) / f"{n}.jpg", load.bytes) for n in range(load.files)]
        return uvloop.run(_measured(load, server, paths))


async def _measured(load: Uploads, server: FileServer, paths: list[Path]) -> Sample:
    async with Asking(server.port, OTHER, server.headers) as asking:
        idle = Latencies(time.perf_counter() + load.window.before_s)
        tally = await _asked(asking, load.window, idle)
        start = time.perf_counter()
        busy, process = Latencies(start), sending.started(_order(server, paths))
        ending = asyncio.create_task(asyncio.to_thread(sending.ended, process))
        while not ending.done():
            turn = await _asked(asking, TURN, busy)
            tally.errors, tally.error = tally.errors + turn.errors, tally.error or turn.error
        sent = await ending
    told = [server.metadata(file) for file in sent]
    values = {**idle.values("idle"), **busy.values("busy"), "wrong": wrong(told, paths)}
    return tally.sample(values | {"ratio": values["busy p99"] / values["idle p99"]})


def _order(server: FileServer, paths: list[Path]) -> sending.Sending:
    return sending.Sending(server, [str(path) for path in paths])


async def _asked(asking: Asking, window: Window, latencies: Latencies) -> Tally:
    async def ask(due: float) -> None:
        await asking.ask()
        latencies.record(due)

    return await open_loop(RATE, window, ask)


def wrong(told: Sequence[Any], paths: Sequence[Path]) -> int:
    """Of how many files another sha256 or size is told than they were sent with."""
    return sum(
        (one["sha256"], one["bytes"]) != (_sha256(path), path.stat().st_size)
        for one, path in zip(told, paths, strict=True)
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    answer(run(given(Uploads)))
