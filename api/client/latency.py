"""Latency as a subscriber feels it: from one socket's send to another's receipt, on one clock."""

import asyncio
from math import ceil
from time import perf_counter

import msgspec

from api.client.errors import ClientError
from api.client.frames import data
from api.client.live import Live
from api.client.room import Room
from projections.frames import Ev

KIND = "latency.probe"
LATE_S = 15.0  # for the last to arrive


class Latency(msgspec.Struct, frozen=True):
    """`rate` is what was offered, per second; times in milliseconds."""

    p50_ms: float
    p99_ms: float
    rate: int
    actions: int


async def measure(
    sender: Live, receiver: Room, label: str, *, rate: int = 200, seconds: float = 5.0
) -> Latency:
    """Open loop: each action leaves at its time, however long the ones before it take.

    Raises ClientError for an action that was refused, did not come, or came twice.
    """
    count = int(rate * seconds)
    sent: list[float] = []
    acts: list[asyncio.Task[object]] = []
    receiving = asyncio.create_task(_receipts(receiver, label, count))
    started = perf_counter()  # finer than a loop's own time
    for number in range(count):
        await asyncio.sleep(started + number / rate - perf_counter())
        act = sender.act(receiver.name, KIND, {"label": label, "n": number})
        sent.append(perf_counter())
        acts.append(asyncio.create_task(act))
    try:
        async with asyncio.timeout(LATE_S):
            await asyncio.gather(*acts)
            received = await receiving
    except TimeoutError:
        raise ClientError(f"not all of {count} actions arrived") from None
    finally:
        receiving.cancel()
    took = sorted((got - at) * 1_000 for got, at in zip(received, sent, strict=True))
    return Latency(percentile(took, 0.5), percentile(took, 0.99), rate, count)


async def _receipts(room: Room, label: str, count: int) -> list[float]:
    """When each action was received, in the order in which they were sent."""
    received = dict[int, float]()
    while len(received) < count:
        frame = await anext(room)
        if not isinstance(frame, Ev) or frame.type != "activity.recorded":
            continue
        probe = data(frame)
        if probe["kind"] != KIND or probe["data"]["label"] != label:
            continue
        if probe["data"]["n"] in received:
            raise ClientError(f"action {probe['data']['n']} came twice")
        received[probe["data"]["n"]] = perf_counter()
    return [received[number] for number in range(count)]


def percentile(values: list[float], part: float) -> float:
    """Nearest rank, of sorted values."""
    return round(values[ceil(part * len(values)) - 1], 2)
