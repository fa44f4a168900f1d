"""Fonts for whatever people write: of each that is needed only the characters that are used.

Noto, by scripts: the variable fonts are cut by HarfBuzz, which takes milliseconds where making
an instance of a whole font takes many seconds.
"""

from collections.abc import Iterator, Set
from importlib import import_module
from pathlib import Path
from typing import Any

REGULAR, BOLD = 400, 700  # weights
FIRST = "NotoSans[wght].ttf"
HAVE_ALL = 0x20  # characters below are not drawn

hb: Any = import_module("uharfbuzz")  # untyped


def files() -> list[Path]:
    """In the order in which they are asked for a character; Chinese, Japanese, Korean is last."""
    scripts, east = (
        Path(str(import_module(name).__file__)).parent
        for name in ("manimgx_fonts", "manimgx_fonts_cjk")
    )
    others = sorted(
        path for path in scripts.glob("*.ttf") if path.name != FIRST and "Italic" not in path.name
    )
    return [scripts / FIRST, *others, *east.glob("*.ttc")]


def needed(text: str) -> Iterator[tuple[Path, set[int]]]:
    """The fonts for a text, each with what it gives to it; the first in any case."""
    missing = {ord(c) for c in text if ord(c) >= HAVE_ALL}
    for path in files():
        given = missing & set(_face(path).unicodes)
        if given or path.name == FIRST:
            yield path, given
        missing -= given


def cut(path: Path, characters: Set[int], weight: int) -> bytes:
    """A font with these characters alone, all that is drawn of them when they stand together."""
    face = _face(path)
    wish = hb.SubsetInput()
    wish.unicode_set.update(characters)
    wish.flags = hb.SubsetFlags.DOWNGRADE_CFF2  # which PDF does not know
    wish.pin_all_axes_to_default(face)
    wish.pin_axis_location(face, "wght", weight)
    return bytes(hb.subset(face, wish).blob.data)


def _face(path: Path) -> Any:
    """Of the regional forms in a collection the first."""
    return hb.Face(hb.Blob.from_file_path(str(path)), 0)
