"""Boxes in boxes: RIFF, ISO base media (AVIF, HEIC, MP4), Matroska. All bytes belong to one."""

import re
from collections.abc import Iterator
from struct import unpack_from

from infra.inspecting.model import Code, Content, refuse, require, within

MOST_BOXES = 100_000  # of the outermost: a fragmented film of a day has fewer
BOX = re.compile(rb"[ -~\xa9]{4}")
SIZES = re.compile(rb"ispe.{4}", re.DOTALL)  # of a picture in AVIF and HEIC
WEBM_TYPE = b"\x42\x82\x84webm"
EBML_HEAD = 64  # bytes in which its type is said
NOT_ZERO = re.compile(rb"[^\x00]")
SEGMENT = b"\x18\x53\x80\x67"


def riff_chunks(content: Content) -> Iterator[tuple[bytes, int, int]]:
    """Type, where its bytes begin, how many. Raises Invalid unless they fill the file."""
    (size,) = unpack_from("<I", content, 4)
    require(size + 8 >= len(content), Code.POLYGLOT, "bytes behind it")
    require(size + 8 in (len(content), len(content) + 1), Code.DAMAGED, "cut short")
    at = 12
    while at < len(content):
        kind, length = unpack_from("<4sI", content, at)
        require(BOX.fullmatch(kind) is not None, Code.DAMAGED, "no chunk")
        require(at + 8 + length <= len(content), Code.DAMAGED, "cut short")
        yield kind, at + 8, length
        at += 8 + length + length % 2


def boxes(content: Content) -> Iterator[tuple[bytes, int, int]]:
    """The outermost: type, where it begins, where it ends. Raises Invalid unless they fill it."""
    at, number = 0, 0
    while at < len(content):
        size, kind = unpack_from(">I4s", content, at)
        if size == 1:
            (size,) = unpack_from(">Q", content, at + 8)
        end = at + size if size else len(content)
        number += 1
        within(number, MOST_BOXES, Code.DAMAGED, "boxes")
        require(BOX.fullmatch(kind) is not None, Code.POLYGLOT, "bytes behind the boxes")
        require(at + 8 <= end <= len(content), Code.DAMAGED, "cut short")
        yield kind, at, end
        at = end


def picture_sizes(content: Content) -> Iterator[tuple[int, int]]:
    """Of every picture that the file's `meta` describes, tiles and the whole."""
    for kind, start, end in boxes(content):
        if kind == b"meta":
            for found in SIZES.finditer(content[start:end]):
                yield unpack_from(">II", content, start + found.end())


def check_film(content: Content) -> None:
    kinds = {kind for kind, _, _ in boxes(content)}
    require(bool(kinds & {b"moov", b"moof"}), Code.DAMAGED, "no film")


def check_webm(content: Content) -> None:
    require(content[:EBML_HEAD].find(WEBM_TYPE) >= 0, Code.DIFFERS, "not WebM")
    at = 4 + _number(content, 4)[1] + _number(content, 4)[0]
    require(content[at : at + 4] == SEGMENT, Code.DAMAGED, "no segment")
    size, width = _number(content, at + 4)
    end = at + 4 + width + size
    unknown = size == (1 << 7 * width) - 1  # never filled in: recorded live
    require(unknown or end >= len(content), Code.POLYGLOT, "bytes behind it")
    require(unknown or end == len(content), Code.DAMAGED, "cut short")


def check_wave(content: Content) -> None:
    kinds = {kind for kind, _, _ in riff_chunks(content)}
    require(kinds >= {b"fmt ", b"data"}, Code.DAMAGED, "no sound")


def check_mp3(content: Content) -> None:
    at = 0
    if content[:3] == b"ID3":
        for one in content[6:10]:
            at = at << 7 | one & 0x7F
        at += 10
    found = NOT_ZERO.search(content, at)  # some pad the tag
    at = found.start() if found else len(content)
    require(content[at] == 0xFF and content[at + 1] >= 0xE0, Code.DAMAGED, "no sound")


def check_ogg(content: Content) -> None:
    at = 0
    while at < len(content):
        require(content[at : at + 4] == b"OggS", Code.POLYGLOT, "bytes between pages")
        segments = content[at + 26]
        at += 27 + segments + sum(content[at + 27 : at + 27 + segments])
    require(at == len(content), Code.DAMAGED, "cut short")


def check_flac(content: Content) -> None:
    at, last = 4, False
    while not last:
        last = content[at] >= 0x80
        at += 4 + int.from_bytes(content[at + 1 : at + 4])
    require(content[at] == 0xFF and content[at + 1] & 0xFC == 0xF8, Code.DAMAGED, "no sound")


def _number(content: Content, at: int) -> tuple[int, int]:
    """EBML's: its value, and how many bytes it takes."""
    width = 9 - content[at].bit_length()
    if width > 8:
        refuse(Code.DAMAGED, "no length")
    value = int.from_bytes(content[at : at + width])
    return value & (1 << 7 * width) - 1, width
