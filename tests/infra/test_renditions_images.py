"""Images come out upright, in sRGB, of fitting sizes, small, and with nothing told of them."""

from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from domain.errors import Invalid
from infra.renditions.model import Format, Rendition
from infra.renditions.rendering import convert
from tests.infra.pictures import (
    BLUE,
    GREEN,
    PLACE,
    RED,
    YELLOW,
    near,
    photograph,
    quarters,
    rendered,
    told,
    xmp,
)

UNTURNED = {  # what a camera stores, when it is held so
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def pixels(rendition: Rendition) -> tuple[object, ...]:
    """Of the middles of the four quarters, from the left above to the right below."""
    with Image.open(rendition.path) as image:
        assert image.size == (rendition.width, rendition.height)
        found = image.convert("RGB")
    places = [(x, y) for y in (1, 3) for x in (1, 3)]
    return tuple(found.getpixel((found.width * x // 4, found.height * y // 4)) for x, y in places)


@pytest.mark.parametrize("orientation", UNTURNED)
async def test_however_it_was_held_it_is_upright(orientation: int, tmp_path: Path) -> None:
    turn = UNTURNED[orientation]
    image = quarters(900, 600)
    stored = image if turn is None else image.transpose(turn)
    stored.save(tmp_path / "in.jpg", exif=told(orientation))
    made = await rendered(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out")
    assert {(one.name, one.width, one.height) for one in made.values()} == {
        ("original.jpg", 900, 600),
        ("w640.webp", 640, 427),
        ("w640.avif", 640, 427),
        ("thumbnail.webp", 320, 214),
        ("thumbnail.avif", 320, 214),
        ("thumbnail.jpg", 320, 214),
    }
    for one in made.values():
        for pixel, colour in zip(pixels(one), (RED, GREEN, BLUE, YELLOW), strict=True):
            assert near(pixel, colour), (one.name, pixel, colour)
        with Image.open(one.path) as written:
            assert ExifTags.Base.Orientation not in written.getexif()


def with_everything(format_: str) -> bytes:
    """All the places where each format can say where it was taken."""
    written = BytesIO()
    image = photograph(700, 500)
    options: dict[str, Any] = {"exif": told(), "xmp": xmp(), "comment": PLACE}
    if format_ == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp().decode())
        options["pnginfo"].add_text("Comment", PLACE)
    image.save(written, format_, **options)
    return written.getvalue()


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
async def test_nothing_says_where_it_was_taken(format_: str, tmp_path: Path) -> None:
    content = with_everything(format_)
    assert PLACE.encode() in content
    path = tmp_path / "in"
    path.write_bytes(content)
    made = await rendered(path, f"image/{format_.lower()}", tmp_path / "out")
    converted = [
        await convert(path, f"image/{format_.lower()}", to, tmp_path / "out") for to in Format
    ]
    assert len(made) == 6
    for one in [*made.values(), *converted]:
        written = one.path.read_bytes()
        assert not any(word in written for word in (PLACE.encode(), b"Exif", b"EXIF", b"xmpmeta"))
        with Image.open(one.path) as image:
            assert not image.getexif()
            assert not image.info.keys() & {"exif", "xmp", "comment", "icc_profile"}


async def test_all_are_smaller_than_what_nobody_thought_about(tmp_path: Path) -> None:
    image = photograph(2400, 1600)
    image.save(tmp_path / "in.jpg", quality=92)
    made = await rendered(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out")
    assert len(made) == 10
    source = Image.open(tmp_path / "in.jpg")
    for one in made.values():
        naive = BytesIO()
        assert one.width is not None
        assert one.height is not None
        same = cast(Any, source).resize((one.width, one.height), Image.Resampling.LANCZOS)
        same.save(naive, one.content_type.removeprefix("image/"))
        assert one.bytes == one.path.stat().st_size < naive.tell(), one.name
    with Image.open(made["original.jpg"].path) as original:
        assert original.info.get("progressive")


async def test_an_original_that_was_coarse_gets_no_larger(tmp_path: Path) -> None:
    image = photograph(800, 600)
    image.save(tmp_path / "in.jpg", quality=30, progressive=True, optimize=True)
    made = await rendered(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out")
    assert made["original.jpg"].bytes <= (tmp_path / "in.jpg").stat().st_size


async def test_a_png_of_few_colours_has_a_palette_and_loses_none(tmp_path: Path) -> None:
    image = quarters(500, 400)
    image.save(tmp_path / "in.png")
    made = await rendered(tmp_path / "in.png", "image/png", tmp_path / "out")
    with Image.open(made["original.png"].path) as original:
        assert original.mode == "P"
        assert original.convert("RGB").tobytes() == image.tobytes()
    assert made["original.png"].bytes < (tmp_path / "in.png").stat().st_size


async def test_nothing_is_enlarged(tmp_path: Path) -> None:
    quarters(200, 100).save(tmp_path / "in.webp")
    made = await rendered(tmp_path / "in.webp", "image/webp", tmp_path / "out")
    assert {(one.width, one.height) for one in made.values()} == {(200, 100)}
    assert set(made) == {"original.webp", "thumbnail.webp", "thumbnail.avif", "thumbnail.jpg"}
    wide = await convert(
        tmp_path / "in.webp", "image/webp", Format.PNG, tmp_path / "out", width=4096
    )
    assert (wide.width, wide.height) == (200, 100)


async def test_what_is_very_tall_fits_into_every_format(tmp_path: Path) -> None:
    Image.new("L", (2000, 20_000)).save(tmp_path / "in.png")
    made = await rendered(tmp_path / "in.png", "image/png", tmp_path / "out")
    assert (made["w1920.webp"].width, made["w1920.webp"].height) == (576, 5760)


async def test_16_bits_become_the_upper_8(tmp_path: Path) -> None:
    image = Image.new("I;16", (4, 4), 0x80FF)
    image.save(tmp_path / "in.png")
    made = await rendered(tmp_path / "in.png", "image/png", tmp_path / "out")
    with Image.open(made["original.png"].path) as original:
        assert original.convert("L").getextrema() == (0x80, 0x80)


async def test_ink_becomes_light(tmp_path: Path) -> None:
    Image.new("CMYK", (400, 400), (0, 255, 255, 0)).save(tmp_path / "in.jpg", quality=95)
    made = await rendered(tmp_path / "in.jpg", "image/jpeg", tmp_path / "out")
    for one in made.values():
        assert all(near(pixel, (254, 0, 0)) for pixel in pixels(one))


async def test_colours_of_another_space_are_those_of_srgb(tmp_path: Path) -> None:
    """A profile whose red and green are exchanged cannot be mistaken for a small correction."""
    Image.new("RGB", (400, 400), RED).save(tmp_path / "in.png", icc_profile=swapped())
    made = await rendered(tmp_path / "in.png", "image/png", tmp_path / "out")
    assert all(near(pixel, (RED[1], RED[0], RED[2])) for pixel in pixels(made["original.png"]))


def swapped() -> bytes:
    profile = ImageCms.ImageCmsProfile(cast(Any, ImageCms).createProfile("sRGB")).tobytes()
    other = profile.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")
    return other.replace("sRGB".encode("utf-16-be"), "RGBs".encode("utf-16-be"))


async def test_a_broken_profile_is_none(tmp_path: Path) -> None:
    Image.new("RGB", (400, 400), RED).save(tmp_path / "in.png", icc_profile=b"no profile at all")
    made = await rendered(tmp_path / "in.png", "image/png", tmp_path / "out")
    assert all(near(pixel, RED) for pixel in pixels(made["original.png"]))


async def test_what_is_transparent_stays_so_and_is_white_in_a_jpeg(tmp_path: Path) -> None:
    image = Image.new("P", (700, 700), 0)
    image.putpalette([0, 0, 0, *RED])
    image.paste(1, (0, 0, 350, 700))
    image.save(tmp_path / "in.gif", transparency=0)
    made = await rendered(tmp_path / "in.gif", "image/gif", tmp_path / "out")
    assert {"original.png", "thumbnail.png"} < made.keys()
    for one in made.values():
        with Image.open(one.path) as written:
            alpha = written.convert("RGBA").getchannel("A")
        assert alpha.getpixel((10, 10)) == 255
        assert alpha.getpixel((alpha.width - 10, 10)) == 0
    flat = await convert(tmp_path / "in.gif", "image/gif", Format.JPEG, tmp_path / "out")
    left, right, *_ = pixels(flat)
    assert near(left, RED)
    assert near(right, (255, 255, 255))


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "AVIF"])
async def test_of_what_moves_the_first_frame_stands(format_: str, tmp_path: Path) -> None:
    first, *others = [Image.new("RGB", (400, 300), colour) for colour in (RED, GREEN, BLUE)]
    first.save(tmp_path / "in", format_, save_all=True, append_images=others, duration=100)
    made = await rendered(tmp_path / "in", f"image/{format_.lower()}", tmp_path / "out")
    for one in made.values():
        with Image.open(one.path) as written:
            assert getattr(written, "n_frames", 1) == 1
        assert all(near(pixel, RED) for pixel in pixels(one))


@pytest.mark.parametrize("to", Format)
async def test_any_format_becomes_any_other(to: Format, tmp_path: Path) -> None:
    image = quarters(1200, 900)
    image.save(tmp_path / "in.jpg", exif=told(6))
    one = await convert(tmp_path / "in.jpg", "image/jpeg", to, tmp_path, width=300)
    assert (one.width, one.height) == (300, 400)
    assert one.name == f"converted.{to.suffix}"
    with Image.open(one.path) as written:
        assert written.format == to.value.upper()
    turned = ImageOps.exif_transpose(Image.open(tmp_path / "in.jpg"))
    for pixel, at in zip(pixels(one), [(1, 1), (3, 1), (1, 3), (3, 3)], strict=True):
        there = turned.getpixel((turned.width * at[0] // 4, turned.height * at[1] // 4))
        assert near(pixel, cast(tuple[int, ...], there))


async def test_quality_is_what_one_asks_for(tmp_path: Path) -> None:
    photograph(600, 400).save(tmp_path / "in.png")
    sizes: list[int] = []
    for quality in (20, None, 95):
        one = await convert(
            tmp_path / "in.png", "image/png", Format.WEBP, tmp_path, quality=quality
        )
        sizes.append(one.bytes)
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize(
    ("content_type", "wish", "code"),
    [
        ("image/png", {"width": 15}, "file.bad_width"),
        ("image/png", {"width": 4097}, "file.bad_width"),
        ("image/png", {"quality": 0}, "file.bad_quality"),
        ("image/png", {"quality": 96}, "file.bad_quality"),
        ("text/plain", {}, "file.not_convertible"),
    ],
)
async def test_a_wish_that_cannot_be_met_is_refused(
    content_type: str, wish: dict[str, int], code: str, tmp_path: Path
) -> None:
    with pytest.raises(Invalid) as caught:
        await convert(
            tmp_path / "none", content_type, Format.PNG, tmp_path, **cast(dict[str, Any], wish)
        )
    assert caught.value.code == code
