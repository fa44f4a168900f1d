"""What is told of a file, from the cache, to as many who ask again as soon as they are answered."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from bench.child import Sample, answer, given
from bench.load.asking import Asking
from bench.load.file_server import made, serving_files
from bench.load.loops import Window, closed_loop
from infra.settings import Settings

SIZE = 10_000  # bytes of the file


class Metadata(msgspec.Struct, frozen=True):
    settings: Settings
    callers: int
    window: Window


def run(load: Metadata) -> Sample:
    """`per_s`: answers a second."""
    with TemporaryDirectory() as folder, serving_files(load.settings) as server:
        file = server.send(made(Path(folder) / "a.jpg", SIZE))
        server.metadata(file)  # it is in the cache from here on
        path = f"/api/v1/realtime/files/{file}/metadata"
        return uvloop.run(asked(server.port, path, server.headers, load.callers, load.window))


async def asked(
    port: int, path: str, headers: dict[str, str], callers: int, window: Window
) -> Sample:
    async with Asking(port, path, headers) as asking:

        async def ask() -> None:
            await asking.ask()

        return await closed_loop(callers, window, ask)


if __name__ == "__main__":
    answer(run(given(Metadata)))
