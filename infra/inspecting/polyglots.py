"""Files that are a second thing as well: whoever opens them chooses which."""

import re
from struct import unpack_from

from infra.inspecting.kinds import PDF, SVG, Group, Kind
from infra.inspecting.model import Code, Content, require

ZIP_END, ZIP_LIST = b"PK\x05\x06", b"PK\x01\x02"
PDF_HEAD = 1_024  # bytes in which a PDF's reader looks for its start
# Long enough, or readable for so long, that no picture has one by chance.
PAGE = re.compile(
    rb"<\?=[\t\n\r -~]{1,200}\?>|<%[\t\n\r -~]{8,200}%>|"
    rb"<\?php\s|<\?=\s*\$_[A-Z]|<script[\s>/]|<html[\s>]|<!doctype\s+html|<hta:app|__HALT_COMPILER\(\)",
    re.IGNORECASE,
)
ARCHIVE = re.compile(rb"Rar!\x1a\x07[\x00\x01]|7z\xbc\xaf\x27\x1c\x00")
# A comment or an assignment to who runs it as JavaScript: it opens in the header's lengths.
SCRIPT_START = re.compile(
    rb"(GIF8[79]a|RIFF|\xff\xd8\xff.)(/\*|=.{0,2}/\*)|GIF8[79]a=[ -~]{2}", re.DOTALL
)
SCRIPT = re.compile(rb"\*/[\t\n\r -~]{6}|`[\t\n\r -~]{6}|\A.{6}=[ -~]{2}", re.DOTALL)


def check_polyglot(content: Content, kind: Kind) -> None:
    """Raises Invalid. Text is served as text, and has no control characters to be an archive."""
    if kind.group is Group.TEXT:
        return
    require(not _has_zip_end(content), Code.POLYGLOT, "an archive")
    if kind is SVG:
        return  # a page by nature: it is read to its end elsewhere
    if kind is PDF:
        require(PAGE.search(content[:PDF_HEAD]) is None, Code.POLYGLOT, "a page")
        return
    require(content[:PDF_HEAD].find(b"%PDF-") < 0, Code.POLYGLOT, "a PDF")
    require(PAGE.search(content) is None, Code.POLYGLOT, "a page")
    require(ARCHIVE.search(content) is None, Code.POLYGLOT, "an archive")
    script = SCRIPT_START.match(content) and SCRIPT.search(content)
    require(script is None, Code.POLYGLOT, "a script")


def _has_zip_end(content: Content) -> bool:
    """Anywhere, for some readers look for one from the start; by chance it points to no list."""
    at = len(content)
    while (at := content.rfind(ZIP_END, 0, at)) >= 0:
        if at + 22 <= len(content):
            size, start = unpack_from("<II", content, at + 12)
            listed = (at - size, start) if size < at else (start,)
            if any(content[place : place + 4] == ZIP_LIST for place in listed):
                return True
            if content[at - 20 : at - 16] == b"PK\x06\x07":  # of a 64-bit archive
                return True
    return False
