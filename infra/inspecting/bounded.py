"""Inflating within bounds: what comes out is counted, never kept."""

import zlib
from collections.abc import Iterator

from infra.inspecting.model import Code, Content, refuse, require, within

CHUNK = 1 << 18  # bytes, in and out
RAW, ZLIB = -zlib.MAX_WBITS, zlib.MAX_WBITS


def inflated(content: Content, start: int, end: int, most: int, wbits: int) -> Iterator[bytes]:
    """What the bytes from `start` to before `end` inflate to. Raises Invalid.

    RAW has no end of its own that anybody checks: it has to end where it should.
    """
    inflating, size = zlib.decompressobj(wbits), 0
    for at in range(start, end, CHUNK):
        left = content[at : min(at + CHUNK, end)]
        while not inflating.eof:
            try:
                chunk = inflating.decompress(left, CHUNK)
            except zlib.error:
                refuse(Code.DAMAGED, "it does not inflate")
            size += len(chunk)
            within(size, most, Code.BOMB, "inflated bytes")
            yield chunk
            left = inflating.unconsumed_tail
            if not left and len(chunk) < CHUNK:
                break
        if inflating.eof:
            over = len(inflating.unused_data) + max(0, end - at - CHUNK)
            require(wbits == ZLIB or not over, Code.POLYGLOT, "bytes behind what inflates")
            return
    require(wbits == ZLIB, Code.DAMAGED, "what inflates is cut short")
