"""What every text that people write, and all JSON that clients make up, must satisfy."""

import re
from collections.abc import Iterable
from decimal import Decimal
from math import isfinite
from typing import cast

import msgspec

from domain.errors import Invalid

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # the backslash is not itself escaped


MAX_SCALE = 16_383  # digits behind the point that Postgres's numeric keeps
MAX_DEPTH = 32  # of JSON that clients make up: every reader of the log recurses into it


def checked(text: str, code: str, most: int, least: int = 1) -> str:
    """`text` without surrounding blanks. Raises Invalid(code) unless `least`..`most` characters."""
    no_nul(text)
    text = text.strip()
    if not least <= len(text) <= most:
        raise Invalid(code, length=len(text), least=least, most=most)
    return text


def no_nul(text: str) -> str:
    """Postgres cannot keep U+0000 in text or jsonb. Raises Invalid."""
    if "\x00" in text:
        raise Invalid("text.has_nul")
    return text


def checked_json(data: msgspec.Raw, subject: str, most: int) -> msgspec.Raw:
    """`data`, once it is known that jsonb can keep it for ever. Raises Invalid.

    Raw JSON was skipped, not read, when it came in: `subject`.too_large, `subject`.bad_data.
    """
    raw = bytes(data)
    if len(raw) > most:
        raise Invalid(f"{subject}.too_large", size=len(raw), most=most)
    try:
        value = json_value(raw)
    except ValueError as error:
        raise Invalid(f"{subject}.bad_data") from error
    # What nothing opens cannot be deep; the rest, which costs far more, is for the few that may be.
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and deeper(value, MAX_DEPTH):
        raise Invalid(f"{subject}.too_deep", most=MAX_DEPTH)
    if b"\\u0000" in raw and NUL.search(raw):
        raise Invalid("text.has_nul")
    return data


def json_value(raw: bytes) -> object:
    """What the JSON says. Raises ValueError where it is none, or none that jsonb can read."""
    try:
        return _decoder.decode(raw)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _number(text: str) -> float:
    """A float, as every reader takes it, and within the range of jsonb's numbers as well."""
    value, exponent = float(text), Decimal(text).as_tuple().exponent
    if not isfinite(value) or not isinstance(exponent, int) or exponent < -MAX_SCALE:
        raise ValueError("a number out of range")
    return value


_decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(float_hook=_number)


def deeper(value: object, most: int) -> bool:
    """Whether lists and objects are nested more than `most` deep."""
    level: list[object] = [value]
    for _ in range(most + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
