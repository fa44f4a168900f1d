"""Clients that break the WebSocket protocol: each has its close code, nobody else notices."""

import struct

import pytest
from websockets.frames import Opcode

from tests.api.wire_app import MASK, close_frame, masked
from tests.hostile.raw import upgraded
from tests.hostile.siege import Siege

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("hostile")]

HUGE = [2**16 + 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]  # bytes that are only promised
CASES: list[tuple[str, bytes, int]] = [
    ("a byte too many", masked(b"x" * (64 * 1024 + 1)), 1009),
    *((f"{size} promised", b"\x81\xff" + struct.pack("!Q", size) + MASK, 1009) for size in HUGE),
    (
        "fragments too big together",
        masked(b"x" * 40_000, fin=False) + masked(b"x" * 40_000, Opcode.CONT),
        1009,
    ),
    ("not UTF-8", masked(b'{"op":"\xff"}'), 1007),
    ("overlong UTF-8", masked(b"\xc0\xaf"), 1007),
    ("a surrogate in UTF-8", masked(b"\xed\xa0\x80"), 1007),
    ("half a character", masked(b"\xf0\x9f\x98"), 1007),
    (
        "half a character at the end of fragments",
        masked(b"a", fin=False) + masked(b"\xe2\x82", Opcode.CONT),
        1007,
    ),
    ("binary", masked(b"{}", Opcode.BINARY), 1003),
    ("not masked", b"\x81\x02{}", 1002),
    *(
        (f"reserved bit {bit:x}", bytes([0x81 | bit]) + masked(b"{}")[1:], 1002)
        for bit in (0x40, 0x20, 0x10, 0x70)
    ),
    *(
        (f"opcode {code}", bytes([0x80 | code]) + masked(b"")[1:], 1002)
        for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    ),
    ("a long ping", masked(b"x" * 126, Opcode.PING), 1002),
    ("half a ping", masked(b"x", Opcode.PING, fin=False), 1002),
    ("half a goodbye", masked(b"\x03\xe8", Opcode.CLOSE, fin=False), 1002),
    ("a goodbye of one byte", masked(b"\x03", Opcode.CLOSE), 1002),
    ("a long goodbye", close_frame(1000, "x" * 124), 1002),
    *((f"a goodbye with {code}", close_frame(code), 1002) for code in (0, 999, 1005, 1006, 5000)),
    ("a goodbye that is not UTF-8", masked(b"\x03\xe8\xff", Opcode.CLOSE), 1007),
    ("no beginning", masked(b"x", Opcode.CONT), 1002),
    ("a message within a message", masked(b"a", fin=False) + masked(b"b"), 1002),
    ("not JSON", masked(b"hello?"), 1002),
    ("nothing", masked(b""), 1002),
]


async def test_each_broken_rule_has_its_code(here: Siege) -> None:
    token = here.token(here.mallory)
    for name, sent, code in CASES:
        async with upgraded(here.port, token) as mallory:
            await mallory.until("joined")
            await mallory.send(sent)
            assert await mallory.end() == code, name
        async with upgraded(here.port) as nobody:  # before the welcome as after it
            await nobody.send(sent)
            assert await nobody.end() == code, name


async def test_half_frames_and_fragments_without_end_hold_nothing_up(here: Siege) -> None:
    """They wait for their other half, bounded, and go when their peer does."""
    halves = [sent[:cut] for sent in (masked(b"x" * 60_000), masked(b"{}")) for cut in (1, 5, -1)]
    halves += [b"\x81\xfe\xff", masked(b"x" * 60_000, fin=False)]
    for half in halves:
        async with upgraded(here.port, here.token(here.mallory)) as mallory:
            await mallory.until("joined")
            await mallory.send(half)
            await mallory.half_close()
            assert await mallory.end() in {0, 1000, 1002}


async def test_fragments_of_nothing_without_end_fill_nothing(here: Siege) -> None:
    async with upgraded(here.port, here.token(here.mallory)) as mallory:
        await mallory.until("joined")
        await mallory.send(masked(b'{"op":', fin=False))
        for _ in range(10):
            await mallory.send(masked(b"", Opcode.CONT, fin=False) * 10_000)
        await mallory.send(masked(b'"ping"}', Opcode.CONT))
        await mallory.until("pong")
