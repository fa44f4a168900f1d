"""What a PDF does by itself when it, or a page of it, is opened: it must ask nobody for anything.

A link that is clicked on may lead anywhere. Of an action that starts by itself (ISO 32000-2, 12.6:
/OpenAction of the document, /AA of it, its pages, fields and annotations) only the action counts,
and those behind its /Next: where it leads to is a page, whose links are clicked.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

import msgspec

from infra.inspecting.model import Code, refuse

STARTS = ("OpenAction", "AA")
TOKEN = re.compile(
    rb"(?:[\s\x00]|%[^\r\n]*+)*+(?:(?P<open><<|\[)|(?P<close>>>|\])|(?P<ref>\d+)[\s\x00]+\d+[\s\x00]+R\b"
    rb"|/(?P<name>[^\s\x00/<>\[\](){}%]*+)|<[^<>]*+>|\((?:\\.|[^()\\])*+\)"
    rb"|[^\s\x00/<>\[\](){}%]++|.)",
    re.DOTALL,
)
NAME = re.compile(rb"/([^\s\x00/<>\[\](){}%]+)")
ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
HEAD = re.compile(rb"(?<!\d)(\d+)[\s\x00]+\d+[\s\x00]+obj(?=[\s\x00%()<>\[\]{}/])")


class Objects(msgspec.Struct, frozen=True):
    """A part of a document. `first`: where its objects begin, of an object stream's content."""

    text: bytes
    first: int | None = None


class _Kind(Enum):
    OPEN = auto()  # an action, or where to: an array, of no actions
    EACH = auto()  # a dictionary of actions
    NEXT = auto()  # an action, or an array of them


def name_of(found: re.Match[bytes], group: int | str = 1) -> str:
    """Without its escapes."""
    plain = ESCAPE.sub(lambda code: bytes((int(code[1], 16),)), found[group])
    return plain.decode("latin-1")


def check_openings(parts: Sequence[Objects]) -> None:
    """Raises Invalid where an action that starts by itself opens an address."""
    places = _places(parts)
    seen: set[tuple[_Kind, int]] = set()
    open_ = [one for part in parts for one in _started(part.text)]
    while open_:
        for referred in _referred(*open_.pop()):
            if referred not in seen:
                seen.add(referred)
                kind, number = referred
                open_ += [(kind, text, at) for text, at in places.get(number, ())]


def _started(text: bytes) -> Iterator[tuple[_Kind, bytes, int]]:
    for found in NAME.finditer(text):
        match name_of(found):
            case "OpenAction":
                yield _Kind.OPEN, text, found.end()
            case "AA":
                yield _Kind.EACH, text, found.end()
            case _:
                pass


def _referred(kind: _Kind, text: bytes, at: int) -> Iterator[tuple[_Kind, int]]:
    """The other objects that the one which begins there does, or is. Raises Invalid."""
    follows = ("Next", "") if kind is _Kind.NEXT else ("Next",)
    for key, depth, token in _tokens(text, at):
        if kind is _Kind.OPEN and depth == 0 and token["open"] == b"[":
            return
        if key == "URI":
            refuse(Code.EXTERNAL, "an address that it opens by itself")
        if token["ref"] is None:
            continue
        if depth == 0:
            yield kind, int(token["ref"])
        elif key in follows or (kind is _Kind.EACH and depth == 1):
            yield _Kind.NEXT, int(token["ref"])


def _tokens(text: bytes, at: int) -> Iterator[tuple[str, int, re.Match[bytes]]]:
    """Those of one object. With each the name that was last before it where it is, and how deep
    that is.
    """
    outer: list[str] = []
    key = ""
    for token in TOKEN.finditer(text, at):
        if token["name"] is not None:
            key = name_of(token, "name")
        yield key, len(outer), token
        if token["open"]:
            outer.append(key)
        elif token["close"] and outer:
            key = outer.pop()
        if not outer:
            return


def _places(parts: Sequence[Objects]) -> dict[int, list[tuple[bytes, int]]]:
    """Where each object begins, by number: more than once where it was changed."""
    places: dict[int, list[tuple[bytes, int]]] = {}
    for part in parts:
        for number, at in _heads(part):
            places.setdefault(number, []).append((part.text, at))
    return places


def _heads(part: Objects) -> Iterator[tuple[int, int]]:
    if part.first is None:
        for found in HEAD.finditer(part.text):
            yield int(found[1]), found.end()
        return
    numbers = part.text[: part.first].split()
    for number, offset in zip(numbers[::2], numbers[1::2], strict=False):
        if number.isdigit() and offset.isdigit():
            yield int(number), part.first + int(offset)
