"""Callers who append without a pause, as a process of their own.

`python -m tests.faults.load DIARY CALLERS`. SIGTERM ends it, once every command has its answer.
"""

import asyncio
import signal
import sys
from pathlib import Path
from uuid import uuid4

import psycopg

from infra.eventstore.store import Store
from infra.eventstore.types import StoreOverloaded
from infra.runtime import open_runtime
from infra.settings import load_settings
from tests.faults.commands import commands, send, settle
from tests.faults.diary import Answered, Asked, Diary, Failed

RETRY_S = 0.1  # before a command that failed is sent again


class Load:
    """Any number of callers with one store and one diary."""

    def __init__(self, store: Store, diary: Diary) -> None:
        self._store, self._diary = store, diary
        self._stopping = False
        self._shared = uuid4()

    async def call(self) -> None:
        for command in commands(self._shared):
            if self._stopping:
                return
            self._diary.write(command)
            self._diary.write(await self._answer(command))

    def stop(self) -> None:
        self._stopping = True

    async def _answer(self, command: Asked) -> Answered:
        """Until there is one. The first time, Repeated would be wrong and ends the process."""
        way = send
        while True:
            try:
                return await way(self._store, command)
            except (psycopg.Error, StoreOverloaded) as error:
                self._diary.write(Failed(command.id, repr(error)))
                await asyncio.sleep(RETRY_S)
                way = settle


async def main(diary: Path, callers: int) -> None:
    async with open_runtime(load_settings()) as runtime:
        load = Load(runtime.store, Diary(diary))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(load.call())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
