"""A real cluster of three shards, started and ended by the tests."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infra.folder import free_port
from infra.programs import valkey_program
from tests.integration.test_generations import until

SHARDS = 3
SLOTS = 16_384
WHOLE = {"cluster_known_nodes": SHARDS, "cluster_slots_ok": SLOTS, "cluster_state": "ok"}


class Shard(msgspec.Struct):
    """A server of the cluster; `stop` and `start` are the crash and the restart of it."""

    folder: Path
    port: int
    bus_port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            str(valkey_program()),
            *("--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
            *("--cluster-enabled", "yes", "--cluster-port", str(self.bus_port)),
            *("--cluster-require-full-coverage", "no", "--cluster-node-timeout", "2000"),
            stdout=asyncio.subprocess.DEVNULL,
            cwd=self.folder,
        )
        await until(self._answers)

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def ask(self, *command: str | int) -> str:
        async with Redis.from_url(self.url) as redis:  # pyright: ignore[reportUnknownMemberType]
            return str(await redis.execute_command(*command))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    async def _answers(self) -> bool:
        try:
            return await self.ask("PING") == "True"
        except (RedisError, OSError):
            return False


@asynccontextmanager
async def three_shards(folder: Path) -> AsyncGenerator[list[Shard]]:
    """A third of the slots each, no replicas; returns when all of them know it."""
    shards = [_shard(folder / f"shard{number}") for number in range(SHARDS)]
    try:
        for shard in shards:
            await shard.start()
        await _join(shards)
        yield shards
    finally:
        for shard in shards:
            await shard.stop()


def _shard(folder: Path) -> Shard:
    folder.mkdir(parents=True)
    return Shard(folder, free_port(), free_port())


async def _join(shards: list[Shard]) -> None:
    bounds = [SLOTS * number // SHARDS for number in range(SHARDS + 1)]
    for number, shard in enumerate(shards):
        await shard.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        first = shards[0]
        await shard.ask("CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port)
    for shard in shards:
        await until(partial(_whole, shard))


async def _whole(shard: Shard) -> bool:
    known = await shard.ask("CLUSTER", "INFO")
    return all(f"{name}:{value}" in known for name, value in WHOLE.items())
