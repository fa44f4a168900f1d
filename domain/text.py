"""What every text that people write, and all JSON that clients make up, must satisfy."""

import re

import msgspec

from domain.errors import Invalid

NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # the backslash is not itself escaped


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
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{subject}.bad_data") from error
    if NUL.search(raw):
        raise Invalid("text.has_nul")
    return data
