"""A reader that tails the log and writes down what it sees, as a process of its own.

`python -m tests.faults.tail FILE`. It ends when it is killed.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import psycopg

from infra.eventstore.store import Store
from infra.runtime import open_runtime
from infra.settings import load_settings
from tests.faults.commands import seen

RETRY_S = 0.05


async def follow(store: Store, file: int) -> None:
    """From the beginning, and where it was after each lost connection."""
    after = 0
    while True:
        try:
            async for batch in store.tail(after):
                text = b"".join(msgspec.json.encode(seen(one)) + b"\n" for one in batch)
                os.write(file, text)
                after = batch[-1].position
        except psycopg.OperationalError:
            await asyncio.sleep(RETRY_S)


async def main(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    async with open_runtime(load_settings()) as runtime:
        await follow(runtime.store, file)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
