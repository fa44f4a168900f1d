"""Pictures by their headers, and pictures that are something else as well."""

import io
import struct
import zlib

import pytest
from PIL import Image

from infra.inspecting import images
from infra.inspecting.model import Code
from tests.infra.inspecting.conftest import Look
from tests.infra.inspecting.samples import (
    archive,
    box,
    film,
    pdf,
    picture,
    png,
    png_chunk,
    wave,
    webm,
)

JPEG, GIF, WEBP = picture("JPEG"), picture("GIF"), picture("WEBP")
ZIP = archive({"a.txt": b"hello"})
PHP = b"<?php system($_GET[0]); ?>"
SCRIPT = b"*/=1;alert(document.domain);/*"


def gif(width: int, height: int, frames: int = 1, more: bytes = b"") -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\x00"
    header = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return header + more + frame * frames + b"\x3b"


def comment(text: bytes) -> bytes:
    return b"\x21\xfe" + bytes([len(text)]) + text + b"\0"


def jpeg_comment(text: bytes) -> bytes:
    return JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + JPEG[2:]


def jpeg(width: int, height: int, scans: int = 1) -> bytes:
    at = JPEG.find(b"\xff\xc0")
    sized = JPEG[: at + 5] + struct.pack(">HH", height, width) + JPEG[at + 9 :]
    start = sized.find(b"\xff\xda")
    return sized[:start] + sized[start:-2] * scans + b"\xff\xd9"


def lossless_webp(width: int, height: int) -> bytes:
    bits = struct.pack("<I", width - 1 | height - 1 << 14)
    body = b"WEBPVP8L" + struct.pack("<I", 6) + b"\x2f" + bits + b"\0"
    return b"RIFF" + struct.pack("<I", len(body)) + body


def avif(width: int, height: int) -> bytes:
    size = box(b"ispe", struct.pack(">III", 0, width, height))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", size)))
    return box(b"ftyp", b"avif\0\0\0\0avif") + meta + box(b"mdat", b"x")


BOMBS = {
    "a.png": png(50_000, 50_000),
    "thin.png": png(100_000, 1),
    "moving.png": png(9_000, 9_000, png_chunk(b"acTL", struct.pack(">II", 200, 0))),
    "a.gif": gif(60_000, 60_000),
    "moving.gif": gif(5_000, 5_000, frames=100),
    "film.gif": gif(200, 100, frames=60_000),
    "a.jpg": jpeg(60_000, 60_000),
    "scans.jpg": jpeg(10, 10, scans=200),
    "a.webp": lossless_webp(16_384, 16_384),
    "a.avif": avif(60_000, 60_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_too_many_pixels_are_refused_by_the_header_alone(name: str, look: Look) -> None:
    assert len(BOMBS[name]) < 1 << 20
    assert look(BOMBS[name], name) == Code.PIXELS


def test_as_many_as_a_camera_takes_are_not(look: Look) -> None:
    assert look(png(8_000, 6_000), "a.png") == look(jpeg(8_000, 6_000), "a.jpg") == "clean"
    assert look(gif(100, 100, frames=100_000), "a.gif") == "clean"
    assert look(gif(500, 500, frames=100), "a.gif") == look(avif(4_000, 3_000), "a.avif") == "clean"


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_metadata_that_inflates_to_much_is_refused(kind: bytes, look: Look) -> None:
    packed = zlib.compress(bytes(images.MOST_METADATA + 1), 9)
    assert look(png(9, 9, png_chunk(kind, b"key\0\0" + packed)), "a.png") == Code.BOMB
    assert look(png(9, 9, png_chunk(kind, b"key\0\0" + zlib.compress(b"x"))), "a.png") == "clean"


BEHIND = {
    "zip.jpg": JPEG + ZIP,
    "zip.png": png(9, 9) + ZIP,
    "jar.gif": GIF + archive({"META-INF/MANIFEST.MF": b"", "A.class": b"\xca\xfe\xba\xbe"}),
    "zip.webp": WEBP + ZIP,
    "zip.avif": avif(9, 9) + ZIP,
    "zip.wav": wave() + ZIP,
    "zip.mp4": film() + box(b"free", ZIP),
    "live.webm": webm(b"\x01" + b"\xff" * 7) + ZIP,
    "zip.mp3": b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0" + bytes(400) + ZIP,
    "rar.mp3": b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0" + bytes(400) + b"Rar!\x1a\x07\x01\0rest",
    "zip-in-comment.jpg": jpeg_comment(ZIP),
    "php.jpg": JPEG + PHP,
    "php-in-comment.jpg": jpeg_comment(PHP),
    "php.gif": gif(9, 9, more=comment(PHP)),
    "short-php.gif": (gif(9, 9, more=comment(b"<?=$_GET[0]($_POST[1]);?>"))),
    "zip-in-a-long.jpg": jpeg_comment(ZIP).replace(b"\xff\xd9", bytes(1 << 17) + b"\xff\xd9"),
    "backtick-php.gif": gif(9, 9, more=comment(b"<?=`$x`?>")),
    "asp.gif": gif(9, 9, more=comment(b'<%eval request("x")%>')),
    "jsp.gif": gif(9, 9, more=comment(b'<%@ page import="java.io.*" %>')),
    "phar.gif": gif(9, 9, more=comment(b"__HALT_COMPILER(); ?>")),
    "page.gif": gif(9, 9, more=comment(b"<SCRIPT src=x></SCRIPT>")),
    "page.png": png(9, 9, png_chunk(b"tEXt", b"Comment\0<html><body>")),
    "page.mp4": film() + box(b"free", b"<script>alert(1)</script>"),
    "script.gif": gif(0x2A2F, 9, more=comment(SCRIPT)),
    "assigned.gif": gif(0x313D, 0x2F3B, more=comment(b";alert(1)")),
    "script.jpg": JPEG[:2] + b"\xff\xe0\x2f\x2a" + SCRIPT.ljust(0x2F2A - 2, b"a") + JPEG[2:],
    "pdf.gif": gif(9, 9, more=comment(b"%PDF-1.4 1 0 obj")),
    "pdf.jpg": jpeg_comment(pdf()),
    "text.png": png(9, 9) + b"hello",
    "text.gif": GIF + b"hello",
    "text.webp": WEBP + b"hello",
}


@pytest.mark.parametrize("name", BEHIND)
def test_what_is_a_second_thing_as_well_is_refused(name: str, look: Look) -> None:
    assert look(BEHIND[name], name) == Code.POLYGLOT


def test_what_cameras_put_behind_a_picture_is_not(look: Look) -> None:
    out = io.BytesIO()
    small = Image.new("RGB", (8, 8))
    Image.new("RGB", (40, 30)).save(out, "MPO", save_all=True, append_images=[small])
    assert look(out.getvalue(), "two.jpg") == "clean"
    assert look(JPEG + bytes(4_096), "padded.jpg") == "clean"
    assert look(JPEG + b"SEFH" + bytes(40) + b"SEFT", "samsung.jpg") == "clean"
    assert look(JPEG + b"SEFH" + bytes(images.MOST_SAMSUNG) + b"SEFT", "a.jpg") == Code.POLYGLOT


@pytest.mark.parametrize(
    "data",
    [JPEG[:-2], JPEG[:60], b"\xff\xd8\xff\xd9", b"\xff\xd8\xff\xe0\x00\x00" + JPEG[2:]],
)
def test_a_picture_that_is_none_is_damaged(data: bytes, look: Look) -> None:
    assert look(data, "a.jpg") == Code.DAMAGED
