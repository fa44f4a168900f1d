"""An image as people see it: upright, in sRGB, of 8 bits, its first frame, and nothing told of it.

With Pillow, in the child process alone.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, cast

from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, ImageFile, ImageOps

from infra.renditions.model import IMAGES, Cause, Failed

MODES = {"L", "LA", "RGB", "RGBA"}
SIDEWAYS = {5, 6, 7, 8}  # of EXIF's orientations
GAP = 2  # times the wanted size is enough to scale down from
TALL = 3  # times its width, at most, is how high a size may be: WebP ends at 16,383 pixels
SRGB = cast(Any, ImageCms).createProfile("sRGB")  # untyped in Pillow

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # none can be started here
Image.MAX_IMAGE_PIXELS = None  # counted by `opened` against the limits, ahead of any decoding
ImageFile.LOAD_TRUNCATED_IMAGES = False  # half an image is none


def opened(path: Path, content_type: str, pixels: int) -> Image.Image:
    """Its head is read, nothing more. Raises Failed for more than `pixels`."""
    image = Image.open(path, formats=[IMAGES[content_type]])
    if image.width * image.height > pixels:
        raise Failed(Cause.TOO_LARGE, f"{image.width} x {image.height}")
    return image


def reduce(image: Image.Image, width: int) -> None:
    """Let a JPEG be decoded no larger than `width` needs."""
    sideways = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    factor = GAP * width / (image.height if sideways else image.width)
    image.draft(None, _times(image, factor))


def upright(image: Image.Image) -> Image.Image:
    """Decodes it."""
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)
    image = _plain(image) if image.mode != "CMYK" else image
    if profile:
        image = _in_srgb(image, profile)
    image = _plain(image)
    image.info = {}  # comments and all else that a format would write again
    return image


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in MODES and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode.startswith("I"):  # 16 bits, of which a plain conversion would keep the lower ones
        return cast(Any, image.convert("I")).point(_upper).convert("L")
    return image.convert("L" if image.mode in {"1", "F"} else "RGB")


def _upper(value: Any) -> Any:
    return value / 256


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """As it is when it is sRGB already, or the profile isn't one or not for such an image."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(image, source, SRGB, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return image
    return image if converted is None else converted


def scaled(image: Image.Image, width: int) -> Image.Image:
    """To `width`, or less where it would get too tall. Never upwards."""
    factor = min(width / image.width, width * TALL / image.height)
    if factor >= 1:
        return image
    size = _times(image, factor)
    return cast(Any, image).resize(size, Image.Resampling.LANCZOS, reducing_gap=GAP)


def _times(image: Image.Image, factor: float) -> tuple[int, int]:
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


def sizes(image: Image.Image, widths: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """Those that it is large enough for; `widths` are the widest first."""
    for width in widths:
        if (smaller := scaled(image, width)) is not image:
            image = smaller
            yield width, image
