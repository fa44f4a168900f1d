"""The client's end of a WebSocket, as little of it as a load needs (RFC 6455)."""

import struct
from collections.abc import Mapping

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
NO_KEY = bytes(4)  # masking with zeros leaves the payload as it is: the load's CPU is precious
END_OF_HEAD = b"\r\n\r\n"


def upgrade(path: str, host: str, headers: Mapping[str, str]) -> bytes:
    """The request; the key is the RFC's own example, for nothing here looks at the answer to it."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + END_OF_HEAD


def frame(opcode: int, payload: bytes) -> bytes:
    """One final frame to the server."""
    size, first = len(payload), FINAL | opcode
    if size < 126:
        return struct.pack("!BB", first, MASKED | size) + NO_KEY + payload
    return struct.pack("!BBH", first, MASKED | 126, size) + NO_KEY + payload


def text(payload: bytes) -> bytes:
    return frame(TEXT, payload)


class Frames:
    """Cuts what a server sends into (opcode, payload); what is not whole yet stays in `rest`."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        data = self.rest + data if self.rest else data
        frames: list[tuple[int, bytes]] = []
        at = 0
        while (bounds := _bounds(data, at)) is not None:
            start, end = bounds
            frames.append((data[at] & 0x0F, data[start:end]))
            at = end
        self.rest = data[at:]
        return frames


def _bounds(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `at` is, None if it is not all there."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1], at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size, start = int.from_bytes(data[start : start + wide]), start + wide
    return (start, start + size) if start + size <= len(data) else None
