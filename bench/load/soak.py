"""Ordinary traffic for a long time: whether what it takes grows.

Requests at a steady rate, and beside them people who come by WebSocket, join, act and go.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import cycle
from statistics import median
from uuid import NAMESPACE_OID, uuid5

import msgspec
import psutil
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from api.realtime import protocol as p
from bench.child import Sample, answer, given
from bench.load.loops import Tally, Window
from bench.load.open import due
from bench.load.rest import Backend, Side, Team, api, prepared
from infra.settings import Settings

ROUTES = ("task", "tasks", "metadata", "change")
RATE = 150  # requests a second
LINES = 50  # connections
VISITS = 5  # by WebSocket, a second
LOOK_S = 1.0
ANSWER_S = 10.0
SETTLES = 0.25  # of the time: caches fill
MIB = 1 << 20


class Soak(msgspec.Struct, frozen=True):
    settings: Settings
    callers: int
    window: Window


class Look(msgspec.Struct, frozen=True):
    at: float
    mib: Mapping[str, float]
    files: Mapping[str, int]  # descriptors


def run(load: Soak) -> Sample:
    """By process `<name> grows` (late by early memory), `<name> MiB`, `<name> files`; `good` …"""
    with ExitStack() as stack:
        backend = prepared(load.settings, load.callers, stack)
        return uvloop.run(_soaked(backend, api(backend, stack), load.window))


async def _soaked(backend: Backend, side: Side, window: Window) -> Sample:
    looks: list[Look] = []
    visits = Tally()
    beside = [
        asyncio.create_task(_watch({"api": side.process, "projector": backend.projector}, looks)),
        asyncio.create_task(_come_and_go(backend, side.port, visits)),
    ]
    values, tally = await due(side.port, _by_turns(side), RATE, LINES, window)
    visits.over = True
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    tally.errors += visits.errors
    tally.error = tally.error or visits.error
    return tally.sample({**values, "visits": float(visits.done), **_growth(looks)})


def _by_turns(side: Side) -> Iterator[bytes]:
    people = [side.routes[route][number] for number in range(LINES) for route in ROUTES]
    for one in cycle(people):
        yield next(one)


async def _watch(processes: Mapping[str, psutil.Process], looks: list[Look]) -> None:
    while True:
        mib = {name: one.memory_info().rss / MIB for name, one in processes.items()}
        files = {name: one.num_fds() for name, one in processes.items()}
        looks.append(Look(time.monotonic(), mib, files))
        await asyncio.sleep(LOOK_S)


async def _come_and_go(backend: Backend, port: int, tally: Tally) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, team in enumerate(cycle(backend.teams)):
            tasks.create_task(_visit(team, number, port, tally))
            await asyncio.sleep(1 / VISITS)


async def _visit(team: Team, number: int, port: int, tally: Tally) -> None:
    """Whoever comes says something and goes."""
    token, room = team.tokens[number % len(team.tokens)], f"project:{team.project}"
    id_ = uuid5(NAMESPACE_OID, f"{time.time_ns()} {number}")
    try:
        async with connect(
            f"ws://127.0.0.1:{port}{p.PATH}",
            subprotocols=[Subprotocol(p.SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
        ) as socket:
            frames: Mapping[str, dict[str, object]] = {
                "joined": {"op": "join", "room": room},
                "ack": {"op": "act", "id": id_, "room": room, "kind": "note", "data": {}},
            }
            for op, frame in frames.items():
                await socket.send(msgspec.json.encode(frame).decode())
                await _until(socket, op, room)
    except Exception as error:  # noqa: BLE001, errors are part of what is measured
        tally.failed(error)
    else:
        tally.done += 1


async def _until(socket: ClientConnection, op: str, room: str) -> None:
    """One's own room is joined as well, by itself."""
    async with asyncio.timeout(ANSWER_S):
        while True:
            said = msgspec.json.decode(await socket.recv())
            if said["op"] == op and said.get("room", room) == room:
                return
            if said["op"] == "err":
                raise ConnectionError(str(said))


def _growth(looks: list[Look]) -> dict[str, float]:
    """Between the quarter after things have settled, and the last one."""
    first, count = looks[int(len(looks) * SETTLES) :], max(len(looks) // 4, 1)
    early, late = first[:count], looks[-count:]
    values: dict[str, float] = {}
    for name in looks[0].mib:
        before, after = (median(one.mib[name] for one in part) for part in (early, late))
        values[f"{name} MiB"] = after
        values[f"{name} grows"] = after / before
        values[f"{name} files"] = median(one.files[name] for one in late) - median(
            one.files[name] for one in early
        )
    return values


if __name__ == "__main__":
    answer(run(given(Soak)))
