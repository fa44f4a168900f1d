"""Whatever is sent, the answer is one that the protocol knows, and the server goes on."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, get_args
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from api.realtime import protocol as p
from tests.api.wire_app import close_frame, masked
from tests.faults.children import times
from tests.hostile.raw import CUT, Raw, code_of, upgraded
from tests.hostile.siege import Siege

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.xdist_group("hostile")]

ENDS = {CUT, 1000, 1002, 1003, 1007, 1009, 4001, 4008, 4029}  # none is the server's fault
OPS = {str(kind.__struct_config__.tag): kind for kind in get_args(p.Incoming)}
PLACES = re.compile(b"ROOM|PROJECT|TOKEN")  # stand for what only the test knows

# Text as no keyboard makes it: NUL, lone surrogates, all planes, more than any field holds.
texts = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["", "\0", "\ud800", "x" * 5_000, "\u202e", "💥" * 70, "'; DROP", "%s", "{}"]
)
numbers = st.integers() | st.floats() | st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 10**300])
junk: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
rooms = st.just("ROOM") | st.sampled_from(
    ["user:PROJECT", "task:PROJECT", "ops", "replay:1", "", "x:y"]
)
ids = st.uuids().map(str) | st.sampled_from(["PROJECT", str(uuid4()), "0" * 32])
GOOD: Mapping[str, st.SearchStrategy[Any]] = {
    "room": rooms,
    "id": ids,
    "project": ids,
    "token": st.just("TOKEN") | st.integers(),
    "resource": st.sampled_from("ab"),
    "ttl": st.integers(5_000, 300_000) | numbers,
    "on": st.booleans(),
    "keep": st.booleans(),
    "auto": st.booleans(),
    "wait": st.booleans(),
    "pos": st.integers(0, 2**70),
    "after": st.integers(0, 2**70),
    "from": st.integers(0, 2**63),
    "speed": st.floats(0.1, 100),
    "resume": st.lists(st.fixed_dictionaries({"room": rooms, "after": numbers}), max_size=5),
}


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """JSON of the right shape, mostly: fields and values are sometimes others."""
    op = draw(st.sampled_from(sorted(OPS)))
    said: dict[str, Any] = {"op": op}
    for field in msgspec.structs.fields(OPS[op]):
        said[field.encode_name] = draw(GOOD.get(field.encode_name, st.text(max_size=40)))
    if not draw(st.integers(0, 3)):
        said[draw(st.sampled_from(sorted(said)) | texts)] = draw(junk)
    return json.dumps(said).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Frames as they should be, but for a few bytes."""
    whole = [masked(b'{"op":"ping"}'), masked(b"{}", fin=False), masked(b"p", Opcode.PING)]
    whole += [masked(b'{"op":"act"}', Opcode.CONT), masked(b"x" * 300)]
    whole += [close_frame(1000), close_frame(4096)]
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(whole), min_size=1, max_size=6))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


T = TypeVar("T")


async def fuzzed(
    examples: st.SearchStrategy[T], check: Callable[[T], Coroutine[Any, Any, None]]
) -> None:
    """They are made in a thread: who works meanwhile is not to wait for that."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=times(300), suppress_health_check=[HealthCheck.too_slow])
    @given(examples)
    def fuzz(example: T) -> None:
        asyncio.run_coroutine_threadsafe(check(example), loop).result()

    await asyncio.to_thread(fuzz)


async def test_random_bytes_and_broken_frames(here: Siege) -> None:
    sent = st.lists(st.binary(max_size=300) | mutated(), min_size=1, max_size=4)
    await fuzzed(sent, partial(end_well, here))


async def end_well(here: Siege, sent: Sequence[bytes]) -> None:
    for token in (here.token(here.mallory), ""):
        async with upgraded(here.port, token) as mallory:
            for data in sent:
                await mallory.send(data)
            await mallory.half_close()
            assert await mallory.end() in ENDS | {closed_with(sent)}


def closed_with(sent: Sequence[bytes]) -> int | None:
    """The code of its first close frame, as another implementation reads it: it comes back."""
    reader = Protocol(Side.SERVER, state=State.OPEN)
    reader.receive_data(b"".join(sent))
    return reader.close_rcvd and reader.close_rcvd.code


async def test_frames_of_the_right_shape(here: Siege) -> None:
    await fuzzed(st.lists(frames(), min_size=1, max_size=8), partial(are_answered, here))


async def are_answered(here: Siege, sent: Sequence[bytes]) -> None:
    token = here.token(here.mallory)
    known = {b"ROOM": here.room, b"PROJECT": str(here.in_project), b"TOKEN": token}
    async with upgraded(here.port, token) as mallory:
        await mallory.say(b'{"op":"join","room":"%s"}' % here.room.encode())
        for frame in sent:
            await mallory.say(PLACES.sub(lambda found: known[found[0]].encode(), frame))
        assert await last_answered(mallory) in ENDS | {None}
    assert "internal" not in {said.get("code") for said in mallory.told}


async def last_answered(mallory: Raw) -> int | None:
    """None once a last question has its answer, or the code of the close that came before."""
    last = str(uuid4())
    await mallory.say(msgspec.json.encode({"op": "status", "status": "here", "id": last}))
    try:
        while not mallory.told or mallory.told[-1].get("re") != last:
            await mallory.text()
    except EOFError as error:
        return code_of(error)
    except ConnectionError:
        return CUT
    return None


ODD = {  # and what comes of it: a frame, the code of an error, or the code of the close
    '{"op":"ping","op":"join"}': "frame.invalid",
    '{"op":"ping","t":1,"t":2}': "pong",
    '{"op":"ping","t":%s}' % ("9" * 5_000): "frame.invalid",
    '{"op":"ping","t":1e999}': "frame.invalid",
    '{"op":"ping","t":NaN}': 1002,
    '{"op":"ping","t":"\\ud800"}': 1002,
    "[" * 30_000: "frame.invalid",
    '{"op":' * 5_000: "frame.invalid",
    '{"op":"ping","t":%s}' % ("[" * 5_000 + "]" * 5_000): "frame.invalid",
    '{"op":"__class__"}': "frame.invalid",
    '{"op":"ping"}{"op":"ping"}': 1002,
    "\ufeff{}": 1002,
    "null": "frame.invalid",
}


async def test_odd_json(here: Siege, subtests: pytest.Subtests) -> None:
    for text, expected in ODD.items():
        with subtests.test(text[:40]):
            assert await answer_to(here, text) == expected


async def answer_to(here: Siege, text: str) -> str | int:
    async with upgraded(here.port, here.token(here.mallory)) as mallory:
        await mallory.until("joined")
        await mallory.say(text.encode())
        try:
            while (said := await mallory.text())["op"] == "presence":
                pass  # of oneself: the connection before has left one's own room
        except EOFError as error:
            return code_of(error)
    return said.get("code", said["op"])
