"""A text's beginning, as UTF-8."""

import codecs
from pathlib import Path

MOST = 16 << 10  # bytes
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
LEFT_OUT = dict.fromkeys({*range(0x20), 0x7F, *range(0x80, 0xA0)} - {ord("\t"), ord("\n")})


def preview(path: Path) -> bytes:
    """At most MOST bytes, whole characters, line feeds alone, nothing unprintable."""
    with path.open("rb") as file:
        raw = file.read(MOST)
    text = _decoded(raw).replace("\r\n", "\n").replace("\r", "\n").translate(LEFT_OUT)
    return text.encode()[:MOST].decode(errors="ignore").encode()


def _decoded(raw: bytes) -> str:
    """By its mark, else as UTF-8 if it may be that, else as Windows-1252. Its last character may
    be cut in half."""
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            return _whole(raw.removeprefix(mark), encoding, "replace")
    try:
        return _whole(raw, "utf-8", "strict")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _whole(raw: bytes, encoding: str, errors: str) -> str:
    return codecs.getincrementaldecoder(encoding)(errors).decode(raw)
