"""Zip archives by their own lists, before and while anything is inflated.

APPNOTE 6.3.10; the overlapping entries are Fifield's, "A better zip bomb" (WOOT 2019).
"""

import re
import zlib
from collections.abc import Iterator
from stat import S_IFMT, S_ISDIR, S_ISREG
from struct import unpack_from

import msgspec

from infra.inspecting.bounded import CHUNK, RAW, inflated
from infra.inspecting.kinds import ZIP_START
from infra.inspecting.model import Code, Content, refuse, require, within

END = b"PK\x05\x06"
MOST_ENTRIES = 10_000  # a large presentation has 2,000
MOST_INFLATED = 1 << 30  # bytes of all entries, in all depths: half a minute of CPU
FREE = 64 << 20  # bytes that may come of any number: an empty spreadsheet shrinks by thousands
RATIO = 100  # above that: documents shrink by ten, logs by thirty
MOST_NAME = 1_024  # bytes
MOST_DESCRIPTOR = 24  # bytes behind an entry whose sizes were not known before
STORED, DEFLATED = 0, 8
ENCRYPTED, DESCRIBED, UTF8, STRONG = 1 << 0, 1 << 3, 1 << 11, 1 << 6
ZIP64 = 0xFFFFFFFF
UNICODE_PATH = 0x7075  # its value: version, checksum of the plain name, the name
LINKS = frozenset((0x000D, 0x756E))  # PKWARE's and ASi's for Unix
DRIVE = re.compile(r"[A-Za-z]:")
CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


class Entry(msgspec.Struct, frozen=True):
    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    start: int  # of its local header


class Budget:
    """What is left for an upload, however its archives are nested."""

    def __init__(self) -> None:
        self.entries, self.inflated = MOST_ENTRIES, MOST_INFLATED

    def take(self, entries: int, inflated: int) -> None:
        self.entries -= entries
        self.inflated -= inflated
        require(self.entries >= 0, Code.BOMB, "more entries than allowed")
        require(self.inflated >= 0, Code.BOMB, "more bytes than allowed when inflated")


def entries(content: Content, budget: Budget) -> list[Entry]:
    """In the order of their bytes, which they fill without a gap. Raises Invalid."""
    end = content.rfind(END)
    require(end >= 0, Code.DAMAGED, "an archive without an end")
    disks, here, count, size, start, comment = unpack_from("<IHHIIH", content, end + 4)
    require(end + 22 + comment == len(content), Code.POLYGLOT, "bytes behind the archive")
    require(disks == 0 and here == count, Code.DAMAGED, "an archive in parts")
    require(ZIP64 not in (size, start) and count != 0xFFFF, Code.BOMB, "a 64-bit archive")
    require(start + size == end, Code.POLYGLOT, "bytes that no list names")
    budget.take(count, 0)
    listed, at = list[Entry](), start
    for _ in range(count):
        entry, at = _listed(content, at)
        listed.append(entry)
    require(at == end, Code.POLYGLOT, "bytes that no list names")
    names = {entry.name for entry in listed}
    require(len(names) == count > 0, Code.DAMAGED, "the same name twice, or none")
    listed.sort(key=lambda entry: entry.start)
    _check_places(content, listed, start)
    _check_sizes(listed, budget)
    return listed


def _listed(content: Content, at: int) -> tuple[Entry, int]:
    require(content[at : at + 4] == b"PK\x01\x02", Code.DAMAGED, "no entry")
    flags, method, _, crc, packed, size = unpack_from("<HHIIII", content, at + 8)
    name, extra, comment = unpack_from("<HHH", content, at + 28)
    attributes, start = unpack_from("<II", content, at + 38)
    within(name, MOST_NAME, Code.PATH, "bytes of a name")
    raw = content[at + 46 : at + 46 + name]
    text = _decoded(raw, flags)
    _check_path(text)
    _check_extra(content, at + 46 + name, extra)
    require(ZIP64 not in (packed, size, start), Code.BOMB, "a 64-bit entry")
    require(not flags & (ENCRYPTED | STRONG), Code.ENCRYPTED, text)
    require(method in (STORED, DEFLATED), Code.UNINSPECTABLE, "packed in an unusual way")
    mode = S_IFMT(attributes >> 16)
    require(not mode or S_ISREG(mode) or S_ISDIR(mode), Code.PATH, "a link or a device")
    entry = Entry(text, raw, flags, method, crc, packed, size, start)
    return entry, at + 46 + name + extra + comment


def _check_extra(content: Content, at: int, length: int) -> None:
    """Another name for some readers, or where a link leads."""
    end = at + length
    while at + 4 <= end:
        what, size = unpack_from("<HH", content, at)
        require(what not in LINKS, Code.PATH, "a link or a device")
        if what == UNICODE_PATH:
            _check_path(_decoded(content[at + 9 : at + 4 + size], UTF8))
        at += 4 + size


def _decoded(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        refuse(Code.DAMAGED, "a name that is not text")


def _check_path(name: str) -> None:
    require(bool(name) and not CONTROL.search(name), Code.PATH, "control characters")
    require("\\" not in name and not name.startswith("/"), Code.PATH, "an absolute path")
    require(not DRIVE.match(name), Code.PATH, "a drive")
    parts = name.removesuffix("/").split("/")
    require(not {"", ".", ".."} & set(parts), Code.PATH, "a path that leads elsewhere")


def _check_places(content: Content, listed: list[Entry], lists: int) -> None:
    """Each where the one before has ended; both headers of an entry say the same."""
    at, between = 0, 0
    for entry in listed:
        _check_gap(at, entry.start, between)
        at = place(content, entry) + entry.packed
        # A length that was not known before it was packed stands behind.
        between = MOST_DESCRIPTOR if entry.flags & DESCRIBED else 0
    _check_gap(at, lists, between)


def _check_gap(end: int, start: int, most: int) -> None:
    require(end <= start, Code.BOMB, "entries that share bytes")
    require(start - end <= most, Code.POLYGLOT, "bytes between entries")


def place(content: Content, entry: Entry) -> int:
    """Where its packed bytes begin."""
    at = entry.start
    require(content[at : at + 4] == ZIP_START, Code.DAMAGED, "no entry")
    flags, method = unpack_from("<HH", content, at + 6)
    packed, size, name, extra = unpack_from("<IIHH", content, at + 18)
    same = content[at + 30 : at + 30 + name] == entry.raw and method == entry.method
    require(same, Code.POLYGLOT, "an entry with two names")
    require(not flags & (ENCRYPTED | STRONG), Code.ENCRYPTED, entry.name)
    told = flags & DESCRIBED or (packed, size) == (entry.packed, entry.size)
    # Who reads from the start would have to guess where it ends.
    guessed = flags & DESCRIBED and method == STORED and entry.size
    require(not guessed, Code.POLYGLOT, "an entry without an end")
    require(bool(told) or ZIP64 in (packed, size), Code.POLYGLOT, "an entry with two lengths")
    _check_extra(content, at + 30 + name, extra)
    return at + 30 + name + extra


def _check_sizes(listed: list[Entry], budget: Budget) -> None:
    size, packed = sum(entry.size for entry in listed), sum(entry.packed for entry in listed)
    budget.take(0, size)
    require(size <= FREE or size <= packed * RATIO, Code.BOMB, "it grows too much")


def unpacked(content: Content, entry: Entry) -> Iterator[bytes]:
    """Its bytes: as many as it says, with the checksum that it says. Raises Invalid."""
    start = place(content, entry)
    if entry.method == STORED:
        require(entry.size == entry.packed, Code.DAMAGED, "two lengths")
        end = start + entry.packed
        chunks = (content[at : min(at + CHUNK, end)] for at in range(start, end, CHUNK))
    else:
        chunks = inflated(content, start, start + entry.packed, entry.size, RAW)
    size, crc = 0, 0
    for chunk in chunks:
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        yield chunk
    require((size, crc) == (entry.size, entry.crc), Code.DAMAGED, f"{entry.name}: a checksum")
