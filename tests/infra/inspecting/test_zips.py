"""Archives that are larger, elsewhere or otherwise than they say."""

import io
import struct
from collections.abc import Callable
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from infra.inspecting import archives, zips
from infra.inspecting.model import Code
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import EICAR, PE, archive, deflated, entry, listing, overlapping

PLAIN = archive({"a.txt": b"hello" * 100, "folder/b.txt": b"b"})


def nested(depth: int, inner: bytes = b"hello") -> bytes:
    made = archive({"a.txt": inner})
    for _ in range(depth):
        made = archive({"a.zip": made})
    return made


def grown(size: int, name: str = "a") -> bytes:
    """Zeros, as few bytes as they can be."""
    out = io.BytesIO()
    with ZipFile(out, "w", 8) as made, made.open(name, "w") as entry:
        for _ in range(0, size, 1 << 20):
            entry.write(bytes(1 << 20))
    return out.getvalue()


def info(name: str, mode: int = 0, method: int = ZIP_STORED) -> ZipInfo:
    made = ZipInfo(name)
    made.external_attr, made.compress_type = mode << 16, method
    return made


def extra(name: str, what: int, value: bytes) -> ZipInfo:
    made = ZipInfo(name)
    made.extra = struct.pack("<HH", what, len(value)) + value
    return made


def changed(data: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    at = data.index(mark) + offset
    return (
        data[:at]
        + struct.pack(form, *[value] * (len(form) - 1))
        + data[at + struct.calcsize(form) :]
    )


LOCAL, LISTED, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
TRICKS: dict[str, tuple[bytes, Code]] = {
    "overlaps a little": (overlapping(2, 1 << 10), Code.BOMB),
    "more than it says": (
        changed(changed(grown(1 << 20), LISTED, 24, "<I", 100), LOCAL, 22, "<I", 100),
        Code.BOMB,
    ),
    "64 bits": (changed(PLAIN, LISTED, 24, "<I", 0xFFFFFFFF), Code.BOMB),
    "a 64-bit archive": (changed(PLAIN, END, 16, "<I", 0xFFFFFFFF), Code.BOMB),
    "in parts": (changed(PLAIN, END, 4, "<H", 1), Code.DAMAGED),
    "one that is not counted": (changed(PLAIN, END, 8, "<HH", 1), Code.POLYGLOT),
    "no list": (changed(PLAIN, LISTED, 0, "<H", 0), Code.DAMAGED),
    "twice the same name": (
        archive({"a.txt": b"a", "b.txt": b"b"}).replace(b"b.txt", b"a.txt"),
        Code.DAMAGED,
    ),
    "a long name": (archive({"a/" * 520 + "a": b""}), Code.PATH),
    "another name in the list": (
        b"../".join(
            archive([(extra("a.txt", 0x7075, b"\1\0\0\0\0bbba.txt"), b"")]).rsplit(b"bbb", 1)
        ),
        Code.PATH,
    ),
    "nests": (nested(3), Code.NESTED),
    "gzip": (archive({"a.gz": b"\x1f\x8b\x08\0"}), Code.NESTED),
    "7z": (archive({"a.txt": b"7z\xbc\xaf\x27\x1c\0\4"}), Code.NESTED),
    "up": (archive({"../../etc/passwd": b""}), Code.PATH),
    "up inside": (archive({"a/../../b": b""}), Code.PATH),
    "root": (archive({"/etc/passwd": b""}), Code.PATH),
    "drive": (archive({"C:/a.txt": b""}), Code.PATH),
    "backslash": (archive({"..\\a.txt": b""}), Code.PATH),
    "turned": (archive({"exe\u202etxt.scr": b""}), Code.PATH),
    "link": (archive([(info("a", 0o120777), b"/etc/passwd")]), Code.PATH),
    "device": (archive([(info("a", 0o060666), b"")]), Code.PATH),
    "another name": (
        archive([(extra("a.txt", 0x7075, b"\1\0\0\0\0../a.txt"), b"")]),
        Code.PATH,
    ),
    "link by Unix": (archive([(extra("a.txt", 0x756E, bytes(14)), b"")]), Code.PATH),
    "another name where it is": (
        changed(
            archive([(extra("a.txt", 0x7075, b"\1\0\0\0\0bb/a.txt"), b"")]),
            b"bb/a",
            0,
            "<H",
            0x2E2E,
        ),
        Code.PATH,
    ),
    "encrypted": (changed(PLAIN, LISTED, 8, "<H", 1), Code.ENCRYPTED),
    "encrypted where it is": (changed(PLAIN, LOCAL, 6, "<H", 1), Code.ENCRYPTED),
    "unusual": (archive([(info("a", method=ZIP_BZIP2), b"a")]), Code.UNINSPECTABLE),
    "two names": (changed(PLAIN, LOCAL, 30, "<B", ord("b")), Code.POLYGLOT),
    "two lengths": (changed(PLAIN, LOCAL, 22, "<I", 1), Code.POLYGLOT),
    "a wrong checksum": (changed(PLAIN, LISTED, 16, "<I", 1), Code.DAMAGED),
    "behind": (PLAIN + b"x", Code.POLYGLOT),
    "two ends": (PLAIN[:-2] + b"\x16\0" + PLAIN[-22:], Code.POLYGLOT),
    "in front": (PLAIN[:4] + b"hello" + PLAIN, Code.POLYGLOT),
    "between": (PLAIN.replace(LISTED, bytes(9) + LISTED, 1), Code.POLYGLOT),
    "cut": (PLAIN[:-30], Code.DAMAGED),
    "nothing": (b"PK\3\4" + bytes(40), Code.DAMAGED),
    "program": (archive({"readme.txt": PE}), Code.EXECUTABLE),
    "program by name": (archive({"docs/setup.exe": b"hello"}), Code.EXECUTABLE),
    "two extensions": (archive({"docs/invoice.pdf.js": b"hello"}), Code.EXECUTABLE),
    "program in depth": (nested(2, PE), Code.EXECUTABLE),
    "shortcut": (archive({"a": b"L\0\0\0\x01\x14\x02\0"}), Code.EXECUTABLE),
}


@pytest.mark.parametrize("name", TRICKS)
def test_an_archive_with_a_trick_is_refused(name: str, look: Look) -> None:
    data, code = TRICKS[name]
    assert look(data, "a.zip") == code


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: grown(200 << 20), id="grows"),
        pytest.param(lambda: overlapping(50, 1 << 20), id="overlaps"),
        pytest.param(
            lambda: archive({str(n): b"" for n in range(zips.MOST_ENTRIES + 1)}), id="many"
        ),
    ],
)
def test_a_bomb_is_refused(make: Callable[[], bytes], look: Look) -> None:
    assert look(make(), "a.zip") == Code.BOMB


SOURCES = {"run.sh": b"#!/bin/sh\n", "web/index.html": b"<html>", "gradlew.bat": b"@echo off"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: PLAIN,
        lambda: nested(2),
        lambda: archive(SOURCES),
        lambda: archive([(info("folder/", 0o040755), b""), (info("folder/a.txt", 0o100644), b"a")]),
        lambda: grown(30 << 20),
        lambda: archive({"empty.txt": b"", "für.txt": b"x"}),
        lambda: PLAIN[:-2] + b"\x05\0hello",
    ],
)
def test_a_plain_archive_is_clean(make: Callable[[], bytes], look: Look) -> None:
    assert look(make(), "a.zip") == "clean"


@pytest.mark.parametrize(("method", "said"), [(ZIP_DEFLATED, "clean"), (ZIP_STORED, Code.POLYGLOT)])
def test_where_a_streamed_entry_ends_must_be_known(method: int, said: str, look: Look) -> None:
    """Lengths stand behind the entries."""

    class Stream(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: list[bytes] = []

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
            self.parts.append(bytes(data))
            return len(data)

    stream = Stream()
    with ZipFile(stream, "w", method) as made:
        made.writestr("a.txt", b"hello" * 100)
        made.writestr("b.txt", b"b")
    data = b"".join(stream.parts)
    assert b"PK\7\x08" in data
    assert look(data, "a.zip") == said


def test_the_test_virus_is_found_in_any_depth(look: Look) -> None:
    inner = archive({"a.com.txt": b"x" * ((1 << 18) - 30) + EICAR})  # across two chunks
    for data, name in ((EICAR, "a.txt"), (inner, "a.zip"), (archive({"a": inner}), "a.zip")):
        assert look(data, name) == "Eicar-Test-Signature"


def test_a_head_that_comes_late_is_looked_at(look: Look) -> None:
    """Deflate may begin with any number of blocks that hold nothing."""
    body = b"\0\0\0\xff\xff" * 60_000 + deflated(PE)
    first, listed = entry(b"a", PE, body)
    data = first + body + listing(listed, 1, len(first + body))
    assert ZipFile(io.BytesIO(data)).read("a") == PE
    assert look(data, "a.zip") == Code.EXECUTABLE


def test_bytes_behind_what_inflates_are_refused(look: Look) -> None:
    """Within an entry: no reader shows them."""
    first, listed = entry(b"a", b"hello", deflated(b"hello") + b"hidden")
    data = first + deflated(b"hello") + b"hidden"
    assert look(data + listing(listed, 1, len(data)), "a.zip") == Code.POLYGLOT


def test_archives_in_an_archive_are_counted_together(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zips, "MOST_INFLATED", 20 << 20)
    inner = grown(8 << 20)
    assert look(archive({"a.zip": inner, "b.zip": inner}), "a.zip") == "clean"
    assert look(archive({f"{n}.zip": inner for n in range(3)}), "a.zip") == Code.BOMB


def test_what_is_too_large_to_be_held_is_refused(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_HELD", 1 << 18)
    inner = archive([(info("a.txt"), bytes(1 << 20))])
    assert look(archive({"a.zip": inner}), "a.zip") == Code.NESTED
    assert look(archive({"a.doc": archives.OLE + bytes(1 << 20)}), "a.zip") == Code.UNINSPECTABLE
    assert look(archive({"a.txt": bytes(1 << 20)}), "a.zip") == "clean"


def test_entries_that_overlap_are_what_readers_would_unpack() -> None:
    """The sample is one: 50 entries of a MiB and more in a few KiB."""
    data = overlapping(50, 1 << 20)
    made = ZipFile(io.BytesIO(data))
    assert len(data) < 1 << 14
    assert sum(one.file_size for one in made.infolist()) > 50 << 20
