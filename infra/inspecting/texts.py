"""Text: no control characters, no page or script that calls itself text."""

import re

import msgspec

from infra.inspecting.kinds import JSON, Kind
from infra.inspecting.model import Code, Content, refuse, require

START = 1_024  # bytes in which browsers and PDF readers look for what it is
# Tabs, ends of lines and of pages are text, and ESC is: logs have colours.
CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
# Atomic: there is one way alone to read comments in a row, and no time to try the others.
# Markdown may well begin with "<p>" or a comment.
PAGE = re.compile(
    rb"(\xef\xbb\xbf)?\s*+(?>(?>\s*<!--.*?-->)*)\s*+"
    rb"<(!doctype|html|head|body|script|iframe|object|embed|link|meta|base|svg|math|\?xml|\?php|\?=|%)",
    re.IGNORECASE | re.DOTALL,
)


OTHERS = (rb"{\rtf", b"%!PS", b"%PDF")  # of plain characters, and programs to who opens them


def is_text(content: Content) -> bool:
    return CONTROL.search(content) is None


def starts_as_page(head: bytes) -> bool:
    return PAGE.match(head[:START]) is not None or head.startswith(OTHERS)


def check_text(content: Content, kind: Kind) -> None:
    require(is_text(content), Code.DIFFERS, "not text")
    require(not starts_as_page(content[:START]), Code.TYPE, "a page")
    if kind is JSON:
        _check_json(content)


def _check_json(content: Content) -> None:
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refuse(Code.DIFFERS, "not JSON")
