"""Where a client's frames begin and end, and what a whole text says (RFC 6455, 5.2, 5.3, 8.1)."""

from websockets.speedups import apply_mask

WHOLE_TEXT = 0x81  # the first byte: FIN, no reserved bit, opcode 1
CLOSE = 0x88  # the same for opcode 8
MASKED = 0x80


def frame_bounds(data: bytes | bytearray, at: int, most: int) -> tuple[int, int]:
    """(start, end) of the payload of the frame at `at`; an end beyond `data` has yet to come.

    A start of 0: the header can only be refused (not masked, or more than `most` bytes).
    """
    if len(data) - at < 2:
        return at, len(data) + 1
    length, key = data[at + 1] - MASKED, at + 2
    if length >= 126:
        key += 2 if length == 126 else 8
        if key > len(data):
            return at, len(data) + 1
        length = int.from_bytes(data[at + 2 : key])
    if not 0 <= length <= most:
        return 0, len(data)
    return key + 4, key + 4 + length


def unmask(data: bytes | bytearray, start: int, end: int) -> bytes:
    """The payload between the bounds; its key lies before it."""
    return apply_mask(data[start:end], data[start - 4 : start])


def is_utf8(message: bytes) -> bool:
    if message.isascii():  # by far the cheaper check, and mostly the answer
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
