"""Pictures and documents to make renditions of, and the renditions by name."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fpdf import FPDF
from PIL import ExifTags, Image

from infra.renditions.model import Limits, Rendition
from infra.renditions.rendering import render

RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 60), (30, 60, 220), (230, 210, 40)
PLACE = "Wellington-Quay"  # in every tag that says where or by whom


async def rendered(
    path: Path, content_type: str, folder: Path, limits: Limits | None = None
) -> Mapping[str, Rendition]:
    await asyncio.to_thread(folder.mkdir)
    made = await render(path, content_type, folder, limits or Limits())
    return {one.name: one for one in made}


def quarters(width: int, height: int) -> Image.Image:
    """Red and green above blue and yellow: each way round is another picture."""
    image = Image.new("RGB", (2, 2))
    for at, colour in {(0, 0): RED, (1, 0): GREEN, (0, 1): BLUE, (1, 1): YELLOW}.items():
        image.putpixel(at, colour)
    return cast(Any, image).resize((width, height), Image.Resampling.NEAREST)


def photograph(width: int, height: int) -> Image.Image:
    """Soft shapes with some noise, which is what compresses like one."""
    soft = cast(Any, Image.radial_gradient("L")).resize((width, height))
    noise = Image.effect_noise((width, height), 24)
    return Image.merge("RGB", (Image.blend(soft, noise, 0.3), soft, Image.blend(noise, soft, 0.8)))


def told(orientation: int = 1) -> Image.Exif:
    """EXIF with a place, a name, and how it was held."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = PLACE
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {
            ExifTags.GPS.GPSLatitudeRef: "S",
            ExifTags.GPS.GPSLatitude: (41.0, 17.0, 11.0),
            ExifTags.GPS.GPSAreaInformation: PLACE,
        }
    )
    return exif


def xmp() -> bytes:
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><at>{PLACE}</at></x:xmpmeta>'.encode()


def document(path: Path, pages: int) -> None:
    """A4, a line of text and a red box on each page."""
    pdf = FPDF(format="A4")
    for number in range(pages):
        pdf.add_page()
        pdf.set_font("helvetica", size=20)
        pdf.cell(text=f"Page {number + 1}")
        pdf.set_fill_color(*RED)
        pdf.rect(20, 100, 170, 170, style="F")
    pdf.output(str(path))


def near(pixel: object, colour: tuple[int, ...], by: int = 12) -> bool:
    """As far as a lossy format keeps it."""
    channels = cast(tuple[int, ...], pixel)
    return all(abs(a - b) <= by for a, b in zip(channels, colour, strict=True))
