"""Files made to break what reads them break a child, which says so, and nothing else."""

import asyncio
import os
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import pytest
from PIL import Image

from infra.renditions.model import Cause, Failed, Format, Limits
from infra.renditions.rendering import _read, convert, render  # pyright: ignore[reportPrivateUsage]
from tests.infra.pictures import photograph, quarters, rendered
from tests.infra.until import until

SIDE = 14_000  # pixels


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return len(content).to_bytes(4) + kind + content + check.to_bytes(4)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG of a few megabytes, and 784 MB when it is decoded."""
    path = tmp_path_factory.mktemp("bomb") / "in.png"
    packer, row = zlib.compressobj(1), bytes(1 + 3 * SIDE)
    packed = b"".join(packer.compress(row) for _ in range(SIDE)) + packer.flush()
    head = SIDE.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


async def cause(path: Path, content_type: str, folder: Path, limits: Limits) -> Cause:
    with pytest.raises(Failed) as caught:
        await rendered(path, content_type, folder, limits)
    return caught.value.cause


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(), Cause.TOO_LARGE),
        (Limits(pixels=SIDE**2, memory=1 << 29), Cause.STOPPED),
    ],
    ids=["pixels", "bytes"],
)
async def test_a_bomb_goes_off_in_the_child(
    limits: Limits, why: Cause, bomb: Path, tmp_path: Path
) -> None:
    before = psutil.Process().memory_info().rss
    assert await cause(bomb, "image/png", tmp_path / "out", limits) == why
    assert psutil.Process().memory_info().rss - before < 16 << 20


async def test_many_pixels_within_the_limits_are_done_within_the_memory(tmp_path: Path) -> None:
    """The most that the limits allow, turned, of another colour space, with a profile to apply."""
    image = Image.new("CMYK", (7_000, 7_000), (9, 99, 199, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "in.jpg", exif=exif)
    made = await rendered(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out")
    assert (made["original.jpg"].width, made["original.jpg"].height) == (7_000, 7_000)


def moving(format_: str, side: int) -> bytes:
    """Red first, then blue."""
    red, blue = (Image.new("RGB", (side, side), colour) for colour in ("red", "blue"))
    buffer = BytesIO()
    red.save(buffer, format_, save_all=True, append_images=[blue], lossless=True)
    return buffer.getvalue()


def of_frames(format_: str, count: int) -> bytes:
    """The last frame again and again."""
    content = moving(format_, 100)
    if format_ == "GIF":
        last, end = content.rindex(b"\x21\xf9"), len(content) - 1  # with the control before it
        return content[:end] + content[last:end] * count + content[end:]
    more = content + content[content.rindex(b"ANMF") :] * count
    return more[:4] + (len(more) - 8).to_bytes(4, "little") + more[8:]


@pytest.mark.parametrize("format_", ["GIF", "WEBP"])
async def test_of_what_moves_the_first_frame_is_shown(format_: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(moving(format_, 400))
    made = await rendered(tmp_path / "in", f"image/{format_.lower()}", tmp_path / "out")
    for one in made.values():
        with Image.open(one.path) as image:
            assert getattr(image, "n_frames", 1) == 1, one.name
            red, _, blue = cast(tuple[int, int, int], image.convert("RGB").getpixel((9, 9)))
            assert red > 200 > 50 > blue, one.name
    assert "thumbnail.webp" in made


@pytest.mark.parametrize("format_", ["GIF", "WEBP"])
async def test_a_hundred_thousand_frames_cost_no_more_than_one(
    format_: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(content := of_frames(format_, 100_000))
    with Image.open(BytesIO(content)) as image:
        assert cast(Any, image).n_frames > 100_000
    little = Limits(cpu_s=5, memory=1 << 29)
    made = await rendered(tmp_path / "in", f"image/{format_.lower()}", tmp_path / "out", little)
    assert {one.width for one in made.values()} == {100}


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
async def test_half_an_image_is_none(format_: str, tmp_path: Path) -> None:
    path, content_type = tmp_path / "in", f"image/{format_.lower()}"
    photograph(600, 400).save(path, format_)
    os.truncate(path, path.stat().st_size // 2)
    assert await cause(path, content_type, tmp_path / "out", Limits()) == Cause.UNREADABLE


async def test_what_it_is_not_is_not_tried(tmp_path: Path) -> None:
    quarters(100, 100).save(tmp_path / "in", "TIFF")
    why = await cause(tmp_path / "in", "image/jpeg", tmp_path / "out", Limits())
    assert why == Cause.UNREADABLE


@pytest.mark.parametrize(
    "limits",
    [
        Limits(cpu_s=1),
        Limits(timeout_s=0.05),
        Limits(file_bytes=10_000),
        Limits(memory=1 << 27),
    ],
    ids=["cpu", "time", "file", "memory"],
)
async def test_out_of_bounds_is_the_end(limits: Limits, tmp_path: Path) -> None:
    photograph(5_000, 4_000).save(tmp_path / "in.jpg")
    why = await cause(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out", limits)
    assert why == Cause.STOPPED


async def test_a_child_that_is_killed_has_failed(tmp_path: Path) -> None:
    photograph(4_000, 3_000).save(tmp_path / "in.jpg")
    making = asyncio.create_task(
        convert(tmp_path / "in.jpg", "image/jpeg", Format.AVIF, tmp_path / "out")
    )
    before = {child.pid for child in psutil.Process().children()}
    (tmp_path / "out").mkdir()

    def child() -> psutil.Process | None:
        here = [one for one in psutil.Process().children() if one.pid not in before]
        return next((one for one in here if one.cmdline()[3:4] == ["infra.renditions.main"]), None)

    await until(child)
    found = child()
    assert found is not None
    found.kill()
    with pytest.raises(Failed, match="SIGKILL") as caught:
        await making
    assert caught.value.cause == Cause.STOPPED


@pytest.mark.parametrize("name", ["../in.png", "link.png", "twin.png", "pipe.png", "in.exe", "."])
def test_a_child_taken_over_cannot_give_out_other_files(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"a secret")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "in.exe").touch()
    (folder / "link.png").symlink_to(tmp_path / "in.png")
    (folder / "twin.png").hardlink_to(tmp_path / "in.png")
    os.mkfifo(folder / "pipe.png")
    answer = {"type": "made", "made": [{"name": name}]}
    (folder / "answer.json").write_bytes(msgspec.json.encode(answer))
    with pytest.raises(Failed, match="not a file of its own"):
        _read(folder)


@pytest.mark.parametrize("answer", [b"", b"{}", b"[" * (1 << 17), b'{"type":"made","made":[{}]}'])
def test_an_answer_that_is_none_has_failed(answer: bytes, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_bytes(answer)
    with pytest.raises(Failed, match="no answer"):
        _read(tmp_path)


async def test_what_lies_beside_it_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "PIL.py").write_text("raise SystemExit('taken over')")
    quarters(50, 50).save(tmp_path / "in.png")
    assert await render(tmp_path / "in.png", "image/png", tmp_path)


async def test_a_failure_quotes_little(tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100_000)
    with pytest.raises(Failed) as caught:
        await render(tmp_path / "in.png", "image/png", tmp_path)
    assert len(caught.value.detail) <= 200
