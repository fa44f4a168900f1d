"""A crowd of clients in one room, in a process of its own, that notes whatever it must not see.

`python -m tests.faults.crowd ROOMFILE`. The first line on standard input that is "stop" ends it:
then it acts no more, waits until everybody has seen everything acknowledged, and says how it went.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.chain import Chain, Json

SETTLED_S = 60.0
RETRY_S = 0.25
ANSWER_S = 20.0
EVERY_S = 0.05  # between the acts of an actor
AT_ONCE = 50  # connections being opened
LEAST_CLOSED = {1000, 1001, 1003, 1007, 1009, 1002, 4003}  # ends that no fault of ours explains


class Plan(msgspec.Struct, frozen=True):
    """Where to go, as whom: the first `actors` of the clients act, all watch."""

    url: str
    room: str
    tokens: list[str]
    actors: int


class Report(msgspec.Struct, frozen=True):
    """How it went; `wrong` must be empty."""

    clients: int
    acknowledged: int
    drops: int
    resumed: int
    wrong: list[str]


class Client:
    """One that comes back until it is told to go, as the protocol says."""

    def __init__(self, plan: Plan, number: int, gate: asyncio.Semaphore) -> None:
        self.chain = Chain(plan.room)
        self.seen: dict[str, int] = {}  # position of each act by its id
        self.drops = 0
        self.wrong: list[str] = []
        self.joined = asyncio.Event()
        self._plan, self._number, self._gate = plan, number, gate
        self._socket: ClientConnection | None = None
        self._answers: dict[str, asyncio.Future[Json]] = {}
        self._noted = asyncio.Condition()

    async def run(self) -> None:
        while True:
            try:
                async with self._gate:
                    socket = await self._connect()
                await self._listen(socket)
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
                self._note_end(error)
            except AssertionError as error:
                async with self._noted:
                    self.wrong.append(f"client {self._number}: {error}")
                    self._noted.notify_all()
                return
            self.joined.clear()
            self.drops += 1
            await asyncio.sleep(RETRY_S * (1 + self._number % 8) / 4)

    def _note_end(self, error: Exception) -> None:
        closed = error.rcvd if isinstance(error, ConnectionClosed) else None
        if closed is not None and closed.code in LEAST_CLOSED:
            self.wrong.append(f"client {self._number} was sent away: {closed}")

    async def _connect(self) -> ClientConnection:
        token = self._plan.tokens[self._number % len(self._plan.tokens)]
        socket = await connect(
            self._plan.url,
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            proxy=None,
            open_timeout=10,
            close_timeout=0.1,
            max_size=None,
        )
        join: Json = {"op": "join", "room": self._plan.room, "id": str(uuid4())}
        if self.chain.last is not None:
            join["after"] = self.chain.last
        await socket.send(msgspec.json.encode(join), text=True)
        return socket

    async def _listen(self, socket: ClientConnection) -> None:
        async with socket:
            self._socket = socket
            async for message in socket:
                frame: Json = msgspec.json.decode(message)
                if self.chain.take(frame):
                    async with self._noted:
                        self._note(frame)
                        self._noted.notify_all()
                elif frame["op"] == "joined" and frame["room"] == self._plan.room:
                    self.joined.set()
                elif waits := self._answers.pop(frame.get("re", ""), None):
                    waits.set_result(frame)
                elif frame["op"] == "err" and not self.joined.is_set():
                    return  # to join was refused for a while: once more from the beginning

    def _note(self, frame: Json) -> None:
        data = frame["data"].get("data")
        if isinstance(data, dict) and "act" in data:
            assert data["act"] not in self.seen, "an act was seen twice"
            self.seen[data["act"]] = frame["pos"]

    async def has_seen(self, acts: int) -> None:
        async with self._noted:
            await self._noted.wait_for(lambda: bool(self.wrong) or len(self.seen) >= acts)

    async def act(self) -> tuple[str, int]:
        """Asked for until it is acknowledged, under one id: it may be stored once only."""
        id_ = str(uuid4())
        frame = {"op": "act", "id": id_, "room": self._plan.room, "kind": "n", "data": {"act": id_}}
        while True:
            await self.joined.wait()
            answer = self._answers[id_] = asyncio.get_running_loop().create_future()
            with suppress(ConnectionClosed, TimeoutError):
                assert self._socket is not None
                await self._socket.send(msgspec.json.encode(frame), text=True)
                async with asyncio.timeout(ANSWER_S):
                    said = await self._or_gone(answer)
                if said is not None and said["op"] == "ack":
                    return id_, said["pos"]
            await asyncio.sleep(RETRY_S)

    async def _or_gone(self, answer: asyncio.Future[Json]) -> Json | None:
        """The answer; None when the connection ended before."""
        assert self._socket is not None
        gone = asyncio.create_task(self._socket.wait_closed())
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        return answer.result() if answer.done() else None


async def crowd(plan: Plan, count: int) -> Report:
    gate, stopping = asyncio.Semaphore(AT_ONCE), asyncio.Event()
    clients = [Client(plan, number, gate) for number in range(count)]
    running = [asyncio.create_task(client.run()) for client in clients]
    await asyncio.gather(*(client.joined.wait() for client in clients))
    say("joined")
    acted: dict[str, int] = {}

    async def work(client: Client) -> None:
        while not stopping.is_set():
            id_, pos = await client.act()
            acted[id_] = pos
            say(f"acted {len(acted)}")
            await asyncio.sleep(EVERY_S)

    acting = [asyncio.create_task(work(client)) for client in clients[: plan.actors]]
    await asyncio.to_thread(sys.stdin.readline)
    stopping.set()
    await asyncio.gather(*acting)
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            for client in clients:
                await client.has_seen(len(acted))
    for task in running:
        task.cancel()
    return report(clients, acted)


def report(clients: Sequence[Client], acted: dict[str, int]) -> Report:
    wrong = [one for client in clients for one in client.wrong]
    wrong += [
        f"a client saw {len(client.seen)} of {len(acted)} acts"
        for client in clients
        if client.seen != acted and not client.wrong
    ]
    return Report(
        clients=len(clients),
        acknowledged=len(acted),
        drops=sum(client.drops for client in clients),
        resumed=sum(client.chain.resumed for client in clients),
        wrong=wrong[:20],
    )


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def main(plan: Path, count: int) -> None:
    told = uvloop.run(crowd(msgspec.json.decode(plan.read_bytes(), type=Plan), count))
    say("report " + msgspec.json.encode(told).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
