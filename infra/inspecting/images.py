"""Images by their headers, before anybody decodes one: how many pixels, and nothing behind."""

import re
from collections.abc import Callable, Mapping
from struct import unpack_from

from domain.errors import Invalid
from infra.inspecting.bounded import ZLIB, inflated
from infra.inspecting.containers import picture_sizes, riff_chunks
from infra.inspecting.kinds import AVIF, GIF, HEIC, JPEG, PNG, WEBP, Kind
from infra.inspecting.model import Code, Content, refuse, require, within

MOST_PIXELS = 100_000_000  # decoded, four bytes each: more than a worker may take
MOST_SIDE = 65_535  # pixels: JPEG has no more, and rows stay short
MOST_MOVING_PIXELS = 1_000_000_000  # of all frames: ten seconds of a worker's CPU
MOST_SCANS = 100  # of a progressive JPEG, each a pass over all pixels; cameras make ten
MOST_PICTURES = 8  # JPEGs one behind the other: previews and gain maps
MOST_METADATA = 8 << 20  # bytes of a PNG's text or profile, inflated
MOST_SAMSUNG = 64 << 10  # bytes that Samsung's cameras put behind the picture, ended by "SEFT"
AFTER_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset((0x01, *range(0xD0, 0xD8)))  # markers without a length
DEFLATED = (b"zTXt", b"iTXt", b"iCCP")
MOST_KEYWORDS = 1_024  # bytes in front of what is deflated there
ZLIB_START = re.compile(rb"\x78[\x01\x5e\x9c\xda]|[\x08-\x68][\x1d\x5b\x99\xd7]")
NOT_ZERO = re.compile(rb"[^\x00]")


def check_size(width: int, height: int, frames: int = 1) -> None:
    require(min(width, height) > 0, Code.DAMAGED, "no pixels")
    within(max(width, height), MOST_SIDE, Code.PIXELS, "pixels of a side")
    within(width * height, MOST_PIXELS, Code.PIXELS, "pixels")
    within(width * height * frames, MOST_MOVING_PIXELS, Code.PIXELS, "pixels of all frames")


def _check_jpeg(content: Content) -> None:
    """What may follow is another JPEG or what Samsung's cameras put there: nothing else."""
    at = _jpeg_end(content, 0)
    for _ in range(MOST_PICTURES):
        at = _past_zeros(content, at)
        if content[at : at + 3] != b"\xff\xd8\xff":
            break
        at = _jpeg_end(content, at)
    samsung = content[-4:] == b"SEFT" and len(content) - at <= MOST_SAMSUNG
    require(at == len(content) or samsung, Code.POLYGLOT, "bytes behind the picture")


def _past_zeros(content: Content, at: int) -> int:
    found = NOT_ZERO.search(content, at)
    return found.start() if found else len(content)


def _jpeg_end(content: Content, start: int) -> int:
    """Behind the end marker of the picture that begins there."""
    at, scans, sized = start + 2, 0, False
    while True:
        require(content[at] == 0xFF, Code.DAMAGED, "no marker")
        marker = content[at + 1]
        if marker == 0xD9:
            require(sized and scans > 0, Code.DAMAGED, "no picture")
            return at + 2
        if marker in ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = unpack_from(">H", content, at + 2)
        require(length >= 2, Code.DAMAGED, "no length")
        if marker in FRAME_HEADERS:
            height, width = unpack_from(">HH", content, at + 5)
            check_size(width, height)
            sized = True
        at += 2 + length
        if marker == 0xDA:
            scans += 1
            within(scans, MOST_SCANS, Code.PIXELS, "scans")
            at = _scan_end(content, at)


def _scan_end(content: Content, at: int) -> int:
    found = AFTER_SCAN.search(content, at)
    return found.start() if found else refuse(Code.DAMAGED, "cut short")


def _check_png(content: Content) -> None:
    at, frames, size = 8, 1, (0, 0)
    while True:
        length, kind = unpack_from(">I4s", content, at)
        end = at + 12 + length
        require(end <= len(content), Code.DAMAGED, "cut short")
        match kind:
            case b"IHDR":
                require(at == 8 and length == 13, Code.DAMAGED, "a second header")
                size = unpack_from(">II", content, at + 8)
            case b"acTL":
                (frames,) = unpack_from(">I", content, at + 8)
            case b"IEND":
                check_size(*size, max(1, frames))
                require(end == len(content), Code.POLYGLOT, "bytes behind the picture")
                return
            case _ if kind in DEFLATED:
                _check_deflated(content, at + 8, end - 4)
            case _:
                require(kind.isalpha(), Code.DAMAGED, "no chunk")
        at = end


def _check_deflated(content: Content, start: int, end: int) -> None:
    """Behind keyword, method and languages, wherever it begins: few bytes look like zlib's own."""
    for found in ZLIB_START.finditer(content[start : min(end, start + MOST_KEYWORDS)]):
        try:
            for _ in inflated(content, start + found.start(), end, MOST_METADATA, ZLIB):
                pass
        except Invalid as refused:
            if refused.code == Code.BOMB:
                raise


def _check_gif(content: Content) -> None:
    width, height, flags = unpack_from("<HHB", content, 6)
    at, frames = 13 + _colours(flags), 0
    while True:
        match content[at]:
            case 0x21:  # an extension
                at = _past_blocks(content, at + 2)
            case 0x2C:
                frame_width, frame_height, flags = unpack_from("<HHB", content, at + 5)
                check_size(frame_width, frame_height)
                at = _past_blocks(content, at + 10 + _colours(flags) + 1)
                frames += 1
            case 0x3B:
                break
            case _:
                refuse(Code.DAMAGED, "no block")
    check_size(width, height, frames)
    require(frames > 0, Code.DAMAGED, "no picture")
    rest = _past_zeros(content, at + 1)
    require(rest == len(content), Code.POLYGLOT, "bytes behind the picture")


def _colours(flags: int) -> int:
    """Bytes of the table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _past_blocks(content: Content, at: int) -> int:
    while length := content[at]:
        at += 1 + length
    return at + 1


def _check_webp(content: Content) -> None:
    size, frames = (0, 0), 0
    for kind, at, length in riff_chunks(content):
        match kind:
            case b"VP8X":
                size = _three(content, at + 4) + 1, _three(content, at + 7) + 1
            case b"ANMF":
                frames += 1
            case b"VP8 ":
                require(content[at + 3 : at + 6] == b"\x9d\x01\x2a", Code.DAMAGED, "no key frame")
                width, height = unpack_from("<HH", content, at + 6)
                check_size(width & 0x3FFF, height & 0x3FFF)
                size = max(size, (width & 0x3FFF, height & 0x3FFF))
            case b"VP8L":
                (bits,) = unpack_from("<I", content, at + 1)
                check_size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
                size = max(size, ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            case _:
                require(length >= 0, Code.DAMAGED, "no length")
    check_size(*size, max(1, frames))


def _check_boxed(content: Content) -> None:
    sizes = list(picture_sizes(content))
    require(bool(sizes), Code.DAMAGED, "no picture")
    for width, height in sizes:
        check_size(width, height)


def _three(content: Content, at: int) -> int:
    return int.from_bytes(content[at : at + 3], "little")


CHECKS: Mapping[Kind, Callable[[Content], None]] = {
    JPEG: _check_jpeg,
    PNG: _check_png,
    GIF: _check_gif,
    WEBP: _check_webp,
    AVIF: _check_boxed,
    HEIC: _check_boxed,
}
