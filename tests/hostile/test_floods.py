"""Clients that send more than anybody should: they are told so or wait, others go on as before."""

import asyncio
import zlib
from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID, uuid4

import msgspec
import psutil
import pytest
from websockets.frames import Opcode

from api.realtime import protocol as p
from tests.api.wire_app import RawPeer, masked, running
from tests.hostile.raw import CUT, Raw, code_of, upgraded
from tests.hostile.siege import GROWTH, Siege

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("hostile")]

BUSY = {"rate.limited", "store.overloaded"}  # what is told to who asks for too much
CALM = {CUT, p.CloseCode.FLOODING, p.CloseCode.TOO_SLOW}  # how a flood may end
MANY = 2_000


def said(count: int, op: str, **fields: object) -> Iterable[bytes]:
    """Frames with ids, ready for the wire; `room` gets a number where it has a place for one."""
    for number in range(count):
        frame = {"op": op, "id": uuid4(), **fields}
        if "{}" in str(fields.get("room")):
            frame["room"] = str(fields["room"]).format(UUID(int=number))
        yield masked(msgspec.json.encode(frame))


async def flood(raw: Raw, frames: Iterable[bytes], codes: set[str]) -> None:
    """Send it all at once while reading the answers: each is good, or one of `codes`."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read_on(raw))
        await raw.send(b"".join(frames))
        last = uuid4()
        await raw.say(msgspec.json.encode({"op": "ping", "id": last, "t": str(last)}))
        end = await reading
    assert end is None or end in CALM, end
    told = {one["code"] for one in raw.told if one["op"] == "err"}
    assert told <= codes | BUSY, told


async def read_on(raw: Raw) -> int | None:
    """Until the pong, or the end."""
    try:
        await raw.until("pong")
    except EOFError as error:
        return code_of(error)
    except ConnectionError:
        return CUT
    return None


@pytest.mark.parametrize(
    ("op", "fields", "codes"),
    [
        ("act", {"room": "ROOM", "kind": "flood"}, set[str]()),
        ("act", {"room": "elsewhere", "kind": "flood"}, {"room.not_joined"}),
        ("cursor", {"room": "ROOM", "at": {"x": 1}}, set[str]()),
        ("typing", {"room": "ROOM", "where": "title", "on": True}, set[str]()),
        ("status", {"status": "here"}, set[str]()),
        ("lock", {"room": "ROOM", "resource": "one"}, set[str]()),
        ("join", {"room": "ROOM"}, set[str]()),
        ("join", {"room": "task:{}"}, {"room.not_found", "access.denied", "room.too_many"}),
        ("join", {"room": "project:{}"}, {"room.not_found", "access.denied", "room.too_many"}),
        ("replay", {"project": "PROJECT"}, {"replay.too_many"}),
        ("nonsense", {"room": "ROOM"}, {"frame.invalid"}),
    ],
)
async def test_floods_of_frames(
    here: Siege, op: str, fields: dict[str, object], codes: set[str]
) -> None:
    places = {"ROOM": here.room, "PROJECT": str(here.in_project)}
    meant = {name: places.get(str(value), value) for name, value in fields.items()}
    async with upgraded(here.port, here.token(here.mallory)) as mallory:
        await mallory.say(msgspec.json.encode({"op": "join", "room": here.room}))
        for _ in ("one's own room", "this one"):
            await mallory.until("joined")
        await flood(mallory, said(MANY, op, **meant), codes)


async def test_floods_of_pings_and_pongs(here: Siege) -> None:
    async with upgraded(here.port, here.token(here.mallory)) as mallory:
        frames = masked(b"p", Opcode.PING) + masked(b"p", Opcode.PONG)
        await flood(mallory, [frames * 10 * MANY], set())


async def test_a_flood_of_connections(here: Siege) -> None:
    """They come and go without a word, some with a token."""

    async def come_and_go(number: int) -> None:
        token = here.token(here.mallory) if number % 2 else ""
        with suppress(AssertionError, EOFError, ConnectionError):  # being refused is an answer
            async with upgraded(here.port, token):
                return

    for _ in range(5):
        await asyncio.gather(*map(come_and_go, range(100)))


async def test_who_asks_and_never_reads_is_cut_off(here: Siege) -> None:
    """The answers do not fill the memory until the five seconds of a slow reader are over."""
    big = masked(msgspec.json.encode({"op": "ping", "t": "x" * 60_000}))
    before = here.against.memory()
    async with upgraded(here.port, here.token(here.mallory)) as mallory, asyncio.timeout(60):
        while not mallory.writer.is_closing():
            await mallory.send(big)
            assert here.against.memory() - before < GROWTH


def test_a_compressed_bomb_is_too_big() -> None:
    """64 KB that would be 64 MB: the library stops where a message may not go on."""
    packing = zlib.compressobj(9, wbits=-12)
    bomb = packing.compress(bytes(64 * 1024 * 1024)) + packing.flush(zlib.Z_SYNC_FLUSH)
    before = psutil.Process().memory_info().rss
    deflate = running(ws_per_message_deflate=True)
    with deflate as server, RawPeer(server, extensions="permessage-deflate") as peer:
        peer.send(masked(bomb[:-4][: 60 * 1024], 0x40 | Opcode.TEXT))
        assert peer.close_code() == p.CloseCode.TOO_BIG
    assert psutil.Process().memory_info().rss - before < len(bomb) + 16 * 1024 * 1024
