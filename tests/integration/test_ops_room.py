"""The operators' room over real sockets: how everything stands, what read models were asked."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.user import Role
from infra.bus import Entry, Kind, unpack
from infra.jobs.making import insert_jobs
from infra.jobs.model import NewJob
from infra.nodes import heartbeat
from infra.runtime import Origin, Runtime
from infra.subscriptions import subscriptions
from projections import upkeep
from projections.read import wait_for
from projections.telling import tell
from tests.integration.sockets import Live, Socket, live_gateway
from workers.ops import TellOps
from workers.scheduler import schedule


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


async def operator(live: Live) -> Socket:
    socket = await live.open(await live.user("otto", Role.OPERATOR))
    assert (await socket.ask("join", room="ops"))["op"] == "joined"
    return socket


def job(key: str, error: str | None = None) -> NewJob:
    return NewJob(
        queue="email",
        name="mail_notice",
        consumer="test",
        position=1,
        key=key,
        args={},
        max_attempts=1,
        error=error,
    )


async def test_the_scheduler_tells_how_everything_stands(live: Live) -> None:
    socket, runtime = await operator(live), live.runtime
    async with runtime.db.connection() as db:
        await insert_jobs(db, [job("a"), job("b"), job("c", error="broken")])
    async with heartbeat(runtime, "scheduler") as heart:
        heart.set("ready")
        scheduling = asyncio.create_task(schedule(runtime, lambda _: None))
        told = await socket.until(lambda frame: frame.get("type") == "ops.status")
        again = await socket.until(lambda frame: frame.get("type") == "ops.status")
        scheduling.cancel()
        await asyncio.gather(scheduling, return_exceptions=True)
    status = told["data"]
    waiting = {(one["queue"], one["state"]): one["jobs"] for one in status["queues"]}
    assert waiting.items() >= {("email", "dead"): 1, ("email", "queued"): 2}.items()
    assert {"live", "queries", "audit", "analytics"} <= set(status["lag"])
    assert [one["role"] for one in status["nodes"]] == ["scheduler"]
    assert again["data"]["at"] > status["at"]
    newcomer = await operator(live)
    joined = next(one for one in newcomer.seen if one.get("room") == "ops")
    assert [one["type"] for one in joined["cursors"]] == ["ops.status"], "at once, not in a while"


async def test_nobody_is_told_while_nobody_is_there(live: Live) -> None:
    socket, runtime, heard = await operator(live), live.runtime, list[Entry]()
    come = asyncio.Event()

    def hear(_room: str, message: bytes) -> None:
        heard.extend(entry for entry in unpack(message) if entry.kind is Kind.MOTION)
        if heard:
            come.set()

    tick = TellOps(runtime)
    await tick(0.0)
    await socket.until(lambda frame: frame.get("type") == "ops.status")
    left = await socket.ask("leave", room="ops")
    await wait_for(runtime, "live", left["pos"])
    bus = subscriptions(runtime.bus, runtime.settings.redis_prefix, hear)
    listening = asyncio.create_task(bus.run())
    await bus.subscribe("ops")
    await tick(0.0)
    await tell(runtime, "ops", "the.end", msgspec.defstruct("End", [])())
    await asyncio.wait_for(come.wait(), 10.0)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert [b"the.end" in entry.payload for entry in heard] == [True]


async def test_what_was_asked_of_a_read_model_is_an_event_there(live: Live) -> None:
    socket = await operator(live)
    otto = live.runtime.new_id()
    await upkeep.ask_rebuild(live.runtime, Origin(otto), "tasks")
    asked = await socket.event("upkeep.rebuild_asked")
    assert (asked["by"], asked["data"]["projection"]) == (str(otto), "tasks")
