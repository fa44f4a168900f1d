"""Which part of a file is asked for, and whether whoever asks has it (RFC 9110, 13 and 14)."""

import re
from collections.abc import Mapping

from domain.errors import Refused

# Several at once are allowed to be answered with all of it (RFC 9110, 14.2).
RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class OutOfRange(Refused):
    """Nothing of the file is in the range that is asked for."""

    def __init__(self, size: int) -> None:
        super().__init__("file.out_of_range", bytes=size)
        self.bytes = size


class Changed(Refused):
    """It is not what whoever asks began with (If-Match)."""


def require_same(headers: Mapping[str, str], tag: str) -> None:
    """Of a download that goes on. Raises Changed."""
    given = headers.get("if-match", "*").strip()
    if given != "*" and tag not in (one.strip() for one in given.split(",")):
        raise Changed("file.changed")


def span(headers: Mapping[str, str], tag: str, size: int) -> tuple[int, int] | None:
    """From where to before where; None: all of it. Raises OutOfRange.

    A range that makes no sense, and one of what the file was before, are as good as none.
    """
    found = RANGE.fullmatch(headers.get("range", ""))
    if found is None or headers.get("if-range", tag) != tag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise OutOfRange(size)
    return start, end


def has(headers: Mapping[str, str], tag: str) -> bool:
    """Whether whoever asks has that already."""
    given = headers.get("if-none-match", "")
    return given.strip() == "*" or tag in (
        one.strip().removeprefix("W/") for one in given.split(",")
    )
