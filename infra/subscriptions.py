"""The channels of all rooms with sockets on this node: one connection to Redis, or one a shard."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, TypedDict, cast

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode, ClusterPubSub, RedisCluster
from redis.exceptions import RedisClusterException, RedisError

from infra.bus import channel
from infra.waiting import cancelled

CONFIRM_S = 1.0  # without Redis the room is mended from its log
RETRY_S = 0.5
QUIET_S = 5.0  # of one wait for a message
LOOK_S = 2.0  # between looks at which shards there are
LOST = (RedisError, RedisClusterException, OSError)

Heard = Callable[[str, bytes], None]

log = structlog.get_logger()


class _Message(TypedDict):
    type: str
    channel: bytes
    data: Any


def subscriptions(bus: Redis | RedisCluster, prefix: str, heard: Heard) -> "Subscriptions":
    """Hands every message to `heard(room, message)`, which must not block."""
    if isinstance(bus, RedisCluster):
        return Sharded(bus, prefix, heard)
    return Single(bus, prefix, heard)


class Subscriptions(ABC):
    """What has been subscribed to, and what Redis has confirmed."""

    def __init__(self, prefix: str, heard: Heard) -> None:
        self._prefix = prefix
        self._heard = heard
        self._rooms: dict[bytes, str] = {}
        self._confirmed: dict[bytes, asyncio.Event] = {}

    async def subscribe(self, room: str) -> None:
        """Return once Redis confirmed, or cannot be reached in time."""
        name = channel(self._prefix, room).encode()
        self._rooms[name] = room
        confirmed = self._confirmed.setdefault(name, asyncio.Event())
        with suppress(*LOST, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                await self._add(name)
                await confirmed.wait()

    async def unsubscribe(self, room: str) -> None:
        name = channel(self._prefix, room).encode()
        self._rooms.pop(name, None)
        self._confirmed.pop(name, None)
        with suppress(*LOST, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                await self._drop(name)

    @abstractmethod
    async def run(self) -> None:
        """Listen until cancelled; after a lost connection the client subscribes to all again."""

    @abstractmethod
    async def _add(self, name: bytes) -> None: ...

    @abstractmethod
    async def _drop(self, name: bytes) -> None: ...

    def _handle(self, message: _Message) -> None:
        name = message["channel"]
        match message["type"]:
            case "subscribe" | "ssubscribe":
                if confirmed := self._confirmed.get(name):
                    confirmed.set()
            case "message" | "smessage":
                if room := self._rooms.get(name):
                    self._heard(room, message["data"])
            case _:
                pass


class Single(Subscriptions):
    """One server."""

    def __init__(self, redis: Redis, prefix: str, heard: Heard) -> None:
        super().__init__(prefix, heard)
        # A channel of its own keeps the connection in subscribed mode while no room is.
        self._own = channel(prefix, "-").encode()
        self._pubsub: PubSub = redis.pubsub()  # pyright: ignore[reportUnknownMemberType]
        # redis-py connects for whoever asks first, and for who asks meanwhile once more: two
        # connections, each of which tells everything.
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        self._rooms[self._own] = "-"
        try:
            while not cancelled():
                try:
                    message = await self._next()
                except LOST as error:
                    log.warning("bus_lost", error=str(error))
                    await asyncio.sleep(RETRY_S)
                    continue
                if message is not None:
                    self._handle(message)
        finally:
            await self._pubsub.aclose()

    async def _add(self, name: bytes) -> None:
        async with self._asking:
            await self._pubsub.subscribe(name)  # pyright: ignore[reportUnknownMemberType]

    async def _drop(self, name: bytes) -> None:
        async with self._asking:
            await self._pubsub.unsubscribe(name)  # pyright: ignore[reportUnknownMemberType]

    async def _next(self) -> _Message | None:
        channels = self._pubsub.channels  # pyright: ignore[reportUnknownMemberType]
        if self._own not in channels:
            async with self._asking:
                await self._pubsub.subscribe(  # pyright: ignore[reportUnknownMemberType]
                    *self._rooms
                )
        return cast(_Message | None, await self._pubsub.get_message(timeout=QUIET_S))


class Sharded(Subscriptions):
    """A cluster: a room's channel is heard at the shard that has its slot, and each has a reader.

    Where slots have moved, the client follows when it next reads the cluster's map, which a lost
    shard makes it do.
    """

    def __init__(self, cluster: RedisCluster, prefix: str, heard: Heard) -> None:
        super().__init__(prefix, heard)
        self._cluster = cluster
        self._pubsub: ClusterPubSub = cluster.pubsub()

    async def run(self) -> None:
        readers: dict[str, asyncio.Task[None]] = {}
        try:
            while not cancelled():
                shards = await self._shards()
                for reader in readers.values():
                    if reader.done():
                        reader.result()  # none ends by itself
                for name in readers.keys() - shards.keys():
                    readers.pop(name).cancel()
                for name in shards.keys() - readers.keys():
                    readers[name] = asyncio.create_task(self._read(shards[name]))
                await asyncio.sleep(LOOK_S if shards else RETRY_S)
                await self._add_again()
        finally:
            for reader in readers.values():
                reader.cancel()
            await asyncio.gather(*readers.values(), return_exceptions=True)
            await self._pubsub.aclose()

    async def _shards(self) -> dict[str, ClusterNode]:
        try:
            await self._cluster.initialize()  # does nothing once it has been done
        except LOST as error:
            log.warning("bus_lost", error=str(error))
            return {}
        return {node.name: node for node in self._cluster.get_primaries()}

    async def _read(self, shard: ClusterNode) -> None:
        while not cancelled():
            try:
                await self._add(self._own(shard))
                await self._listen(shard)
            except LOST as error:
                log.warning("bus_lost", shard=shard.name, error=str(error))
                await asyncio.sleep(RETRY_S)
                await self._look_again()

    async def _listen(self, shard: ClusterNode) -> None:
        while not cancelled():
            message = cast(
                _Message | None,
                await self._pubsub.get_sharded_message(timeout=QUIET_S, target_node=shard),
            )
            if message is not None:
                self._handle(message)

    def _own(self, shard: ClusterNode) -> bytes:
        """A channel of this shard that keeps a connection to it while no room of it is heard."""
        names = (channel(self._prefix, f"-{number}") for number in count())
        here = self._cluster.get_node_from_key
        return next(name for name in names if here(name) == shard).encode()

    async def _add_again(self) -> None:
        """What no shard took: slots are without one while a cluster is made or mended."""
        left = [name for name, confirmed in self._confirmed.items() if not confirmed.is_set()]
        if left:
            await self._look_again()
        for name in left:
            with suppress(*LOST):
                await self._add(name)

    async def _look_again(self) -> None:
        """At which shard has which slots."""
        with suppress(*LOST):
            await self._cluster.nodes_manager.initialize()

    async def _add(self, name: bytes) -> None:
        await self._cluster.initialize()
        await self._pubsub.ssubscribe(name)

    async def _drop(self, name: bytes) -> None:
        await self._pubsub.sunsubscribe(name)
