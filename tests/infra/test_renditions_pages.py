"""Documents and texts: what of them is shown."""

from pathlib import Path

import pytest
from PIL import Image

from infra.renditions.model import Cause, Failed, Format
from infra.renditions.rendering import convert, render
from tests.infra.pictures import RED, document, near, rendered


async def test_a_documents_first_pages_are_images(tmp_path: Path) -> None:
    document(tmp_path / "in.pdf", 5)
    made = await rendered(tmp_path / "in.pdf", "application/pdf", tmp_path / "out")
    assert {name: (one.width, one.height) for name, one in made.items()} == {
        "thumbnail.webp": (320, 452),
        "thumbnail.avif": (320, 452),
        "thumbnail.jpg": (320, 452),
        "page-1.webp": (1132, 1600),
        "page-2.webp": (1132, 1600),
        "page-3.webp": (1132, 1600),
    }
    for one in made.values():
        with Image.open(one.path) as page:
            found = page.convert("RGB")
        assert near(found.getpixel((found.width // 2, found.height // 2)), RED)
        assert near(found.getpixel((found.width // 2, found.height - 9)), (255, 255, 255))


async def test_a_cover_is_drawn_as_wide_as_one_asks_for(tmp_path: Path) -> None:
    document(tmp_path / "in.pdf", 1)
    one = await convert(tmp_path / "in.pdf", "application/pdf", Format.PNG, tmp_path, width=2000)
    assert (one.width, one.height) == (2000, 2829)


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"", b"\x00" * 10_000])
async def test_what_is_no_document_is_unreadable(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.pdf").write_bytes(content)
    with pytest.raises(Failed) as caught:
        await rendered(tmp_path / "in.pdf", "application/pdf", tmp_path / "out")
    assert caught.value.cause == Cause.UNREADABLE


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"a,b\r\n1,2\r\n", "a,b\n1,2\n"),
        ("\ufeffgr\u00fc\u00dfe".encode(), "gr\u00fc\u00dfe"),
        ("gr\u00fc\u00dfe".encode("utf-16"), "gr\u00fc\u00dfe"),
        ("gr\u00fc\u00dfe \u20ac".encode("cp1252"), "gr\u00fc\u00dfe \u20ac"),
        (b"a\x00b\x1b[31mc\td", "ab[31mc\td"),
        (b"", ""),
    ],
)
async def test_a_text_is_shown_as_utf_8(content: bytes, shown: str, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(content)
    made = await rendered(tmp_path / "in.txt", "text/csv", tmp_path / "out")
    one = made["preview.txt"]
    assert one.path.read_bytes() == shown.encode()
    assert (one.content_type, one.width, one.height) == ("text/plain; charset=utf-8", None, None)


async def test_of_a_huge_text_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    with path.open("wb") as file:
        file.write("\u20ac".encode() * 10_000)
        file.truncate(1 << 33)  # more than the child may hold
    made = await rendered(path, "application/json", tmp_path / "out")
    assert made["preview.txt"].path.read_text() == "\u20ac" * (16_384 // 3)


async def test_of_what_is_not_shown_nothing_is_made(tmp_path: Path) -> None:
    assert await render(tmp_path / "none", "application/zip", tmp_path / "nowhere") == ()
