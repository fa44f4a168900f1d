"""Images as files: small ones, for their quality."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from infra.renditions.model import Format

# A screen shows no difference to the original, side by side, at its own size.
QUALITY = {Format.JPEG: 75, Format.WEBP: 75, Format.AVIF: 60, Format.PNG: 100}
METHOD = 4  # of WebP: 6 takes longer for less than 1 %
SLOW, FAST = 6, 9  # of AVIF: the slow takes six times as long, and pays where headers weigh
SMALL = 1_000_000  # pixels
LEVEL = 7  # of PNG: 9 takes three times as long for 3 %
HUFFMAN = 2  # zlib's Z_HUFFMAN_ONLY: repeats nothing, as noise never does
COLOURS = {"RGB": 256, "L": 16}  # so few that a palette is smaller
SAMPLE = 256  # pixels, the side of what PNG's ways are tried on


def write(image: Image.Image, to: Format, path: Path, quality: int | None = None) -> None:
    """`quality`: of 100. PNG loses nothing, so has none."""
    quality = QUALITY[to] if quality is None else quality
    match to:
        case Format.JPEG:
            flat(image).save(path, "JPEG", quality=quality, progressive=True, optimize=True)
        case Format.PNG:
            image = _indexed(image)
            image.save(path, "PNG", **_png_ways(image))
        case Format.WEBP:
            image.save(path, "WEBP", quality=quality, method=METHOD)
        case Format.AVIF:
            speed = SLOW if image.width * image.height <= SMALL else FAST
            image.save(path, "AVIF", quality=quality, speed=speed, max_threads=1)


def flat(image: Image.Image) -> Image.Image:
    """On white, where it is transparent: JPEG is not."""
    if image.mode not in {"LA", "RGBA"}:
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return ground


def requantised(image: Image.Image, tables: Any, path: Path) -> None:
    """A JPEG as coarse as its original: what was coarse already gets larger with finer tables."""
    image.save(path, "JPEG", qtables=tables, progressive=True, optimize=True)


def _indexed(image: Image.Image) -> Image.Image:
    """With a palette, where it has few enough colours and none is lost."""
    most = COLOURS.get(image.mode, 0)
    if not most or image.getcolors(most) is None:
        return image
    return image.quantize(most, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _png_ways(image: Image.Image) -> dict[str, int]:
    """The better one for a piece of its middle: with photographs the other takes ten times as long
    for more bytes."""
    x, y = (max(0, (side - SAMPLE) // 2) for side in image.size)
    sample = image.crop((x, y, min(x + SAMPLE, image.width), min(y + SAMPLE, image.height)))
    ways = ({"compress_level": LEVEL}, {"compress_level": LEVEL, "compress_type": HUFFMAN})
    return min(ways, key=lambda way: _size(sample, way))


def _size(image: Image.Image, way: dict[str, int]) -> int:
    written = BytesIO()
    image.save(written, "PNG", **way)
    return written.tell()
