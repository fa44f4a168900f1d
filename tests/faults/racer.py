"""One of several who want every version of one stream, as a process of its own.

`python -m tests.faults.racer DIARY VERSIONS`. It says "ready"; then the first event of the log is
the starting shot.
"""

import asyncio
import sys
from pathlib import Path

from infra.eventstore.store import Store
from infra.eventstore.types import Conflict
from infra.runtime import open_runtime
from infra.settings import load_settings
from tests.faults.commands import asked, send
from tests.faults.diary import Diary, Part, Refused


async def race(store: Store, diary: Diary, versions: int) -> None:
    """Whoever sees a version wants the next one: all see it, at about the same time."""
    async for batch in store.tail(0):
        newest = batch[-1]
        if newest.version == versions:
            return
        command = asked(Part(newest.stream, newest.version, 1))
        diary.write(command)
        try:
            diary.write(await send(store, command))
        except Conflict:
            diary.write(Refused(command.id))


async def main(diary: Path, versions: int) -> None:
    async with open_runtime(load_settings()) as runtime:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await race(runtime.store, Diary(diary), versions)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
