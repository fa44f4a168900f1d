"""What an upload is by its first bytes, whatever it is called."""

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from infra.inspecting.inspecting import inspect
from infra.inspecting.kinds import ALLOWED, KINDS
from infra.inspecting.model import Code
from infra.inspecting.recognising import recognise
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import (
    PE,
    SVG,
    docx,
    film,
    flac,
    mp3,
    odt,
    ogg,
    pdf,
    picture,
    wave,
    webm,
)

GOOD = {
    "a.jpg": picture("JPEG"),
    "b.JPEG": picture("JPEG", progressive=True),
    "a.png": picture("PNG"),
    "a.gif": picture("GIF", frames=3),
    "a.webp": picture("WEBP"),
    "b.webp": picture("WEBP", lossless=True),
    "c.webp": picture("WEBP", frames=3),
    "a.avif": picture("AVIF"),
    "a.svg": SVG.format("<path d='M0 0'/>").encode(),
    "a.pdf": pdf(),
    "a.docx": docx(),
    "a.odt": odt(),
    "a.zip": docx(),
    "a.txt": "für alle\n".encode(),
    "legacy.csv": "für;alle\n".encode("latin-1"),
    "a.log": b"\x1b[31mred\x1b[0m\n",
    "mz.csv": b"MZ,Mozambique\n",
    "a.md": b"<p align=center>hello</p>\n",
    "a.json": b'{"a": [1, 2]}',
    "README": b"hello\n",
    "picture": picture("PNG"),
    "a.mp3": mp3(),
    "b.mp3": b"\xff\xfb\x90\0" + bytes(400),
    "a.ogg": ogg(),
    "a.flac": flac(),
    "a.wav": wave(),
    "a.mp4": film(),
    "a.webm": webm(),
    "live.webm": webm(b"\x01" + b"\xff" * 7),
}
BAD = {
    "empty.txt": (b"", Code.EMPTY),
    "a.jpg": (picture("PNG"), Code.DIFFERS),
    "b.jpg": (b"hello", Code.DIFFERS),
    "a.txt": (picture("PNG"), Code.DIFFERS),
    "a.docx": (odt(), Code.DIFFERS),
    "a.odt": (docx(), Code.DIFFERS),
    "a.xlsx": (docx(), Code.DIFFERS),
    "page.txt": (b" \n<!DOCTYPE html><p>", Code.TYPE),
    "page.md": (b"<!-- x --><script>alert(1)</script>", Code.TYPE),
    "page": (b"<html>", Code.TYPE),
    "php.csv": (b"<?php system($_GET[0]);", Code.TYPE),
    "rich.txt": (rb"{\rtf1 {\object\objdata 0105}}", Code.TYPE),
    "print.txt": (b"%!PS-Adobe\n", Code.TYPE),
    "other.txt": (b"%PDF-x", Code.TYPE),
    "tool.bin": (PE, Code.EXECUTABLE),
    "tool.jpg": (PE, Code.EXECUTABLE),
    "elf": (b"\x7fELF\x02\x01\x01", Code.EXECUTABLE),
    "mach.txt": (b"\xcf\xfa\xed\xfe", Code.EXECUTABLE),
    "class.pdf": (b"\xca\xfe\xba\xbe\0\0\0\x34", Code.EXECUTABLE),
    "script.txt": (b"#!/bin/sh\nrm -rf /\n", Code.EXECUTABLE),
    "unknown.dat": (bytes(range(256)), Code.TYPE),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), Code.TYPE),
    "text.xyz": (b"hello", Code.TYPE),
    "drawing.txt": (SVG.format("").encode(), Code.DIFFERS),
    "late.txt": (b"a" * 9_000 + b"\0", Code.DIFFERS),
    "a.json": (b'{"a": [1, 2}', Code.DIFFERS),
    "deep.json": (b"[" * 200_000, Code.DIFFERS),
    "a.mp3": (b"ID3=1;alert(1)//", Code.DAMAGED),
    "b.mp3": (b"ID3\4\0\0\0\0\0\4abcdhello", Code.DAMAGED),
    "a.ogg": (ogg() + b"hello", Code.POLYGLOT),
    "cut.ogg": (ogg()[:-1], Code.DAMAGED),
    "a.flac": (flac()[:-3] + b"hello", Code.DAMAGED),
    "a.wav": (wave() + b"hello", Code.POLYGLOT),
    "a.webm": (webm().replace(b"webm", b"matr"), Code.DIFFERS),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_on_the_list_is_clean(name: str, look: Look) -> None:
    assert look(GOOD[name], name) == "clean"


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_what_it_says_is_refused(name: str, look: Look) -> None:
    data, code = BAD[name]
    assert look(data, name) == code


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.pdf", "a.docx", "a.txt", "a.mp4"])
def test_the_content_says_the_type_where_the_name_has_no_extension(name: str) -> None:
    found = recognise(GOOD[name], "attachment")
    assert found.extensions[0] == {"a.docx": "zip"}.get(name, name[2:])


@given(st.binary(max_size=9_000), st.sampled_from(["", *(f".{k.extensions[0]}" for k in ALLOWED)]))
def test_any_bytes_are_recognised_or_refused(head: bytes, extension: str) -> None:
    try:
        assert recognise(head, f"a{extension}").content_type in KINDS
    except Invalid as refused:
        assert refused.code in set(Code)  # noqa: PT017


@pytest.mark.parametrize("part", [b"<!---->", b"<!-- ", b"<?a?>", b"<!DOCTYPE a>", b"<!DOCTYPE ["])
def test_no_beginning_takes_long(part: bytes) -> None:
    """A pattern that could read it in more than one way would never end."""
    with suppress(Invalid):
        recognise(part * 2_000, "a.txt")
    with suppress(Invalid):
        recognise(part * 100 + b"x", "a.txt")


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_damaged_file_never_breaks_the_inspection(name: str, data: st.DataObject) -> None:
    """Cut anywhere, or with a byte changed anywhere."""
    whole = GOOD[name]
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes([data.draw(st.integers(0, 255))]) + whole[at + 1 :]
    kind = recognise(whole, name)
    with tempfile.NamedTemporaryFile() as file:
        for content in (whole[:at], changed):
            Path(file.name).write_bytes(content)
            inspect(Path(file.name), name, kind)
