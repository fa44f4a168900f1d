"""What is in an archive: no programs, macros or archives that hide, whatever their names."""

from collections.abc import Iterator

from infra.inspecting.kinds import GROUPS, ZIP_START, Kind
from infra.inspecting.model import Code, Content, require, within, words
from infra.inspecting.names import ACTIVE, RUN_BY_WINDOWS
from infra.inspecting.office import PATTERN, check_office, is_kept, is_office
from infra.inspecting.signatures import LONGEST, check_known, executable
from infra.inspecting.zips import Budget, Entry, entries, unpacked

MOST_DEPTH = 2  # below the upload: a chart's spreadsheet in a presentation in an archive
MOST_HELD = 64 << 20  # bytes of an archive in another, or of a part: it is held in memory
HEAD = 512  # bytes that say what an entry is
# Archives of source code have these; everything else that Windows runs has no business in one.
SOURCES = words("bat cmd inf js ps1 reg url vb")
HIDING = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"MSCF": "cab",
}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OLE_MACROS = "_VBA_PROJECT".encode("utf-16-le")
OLE_FILE = "\x01Ole10Native".encode("utf-16-le")


def check_archive(content: Content, kind: Kind | None, budget: Budget, depth: int = 0) -> None:
    """`kind`: what a document has to be. Raises Invalid or Malware."""
    within(depth, MOST_DEPTH, Code.NESTED, "archives in archives")
    listed = entries(content, budget)
    names = {entry.name for entry in listed}
    office = is_office(names)
    parts: dict[str, bytes] = {}
    for entry in listed:
        _check_name(entry.name)
        held = _checked(unpacked(content, entry), entry, office=office)
        if held.startswith(ZIP_START):
            require(len(held) == entry.size, Code.NESTED, "a large archive in an archive")
            check_archive(held, None, budget, depth + 1)
        if is_kept(entry.name):
            parts[entry.name] = held
    check_office(kind, names, parts)


def _check_name(path: str) -> None:
    *inner, last = path.rstrip("/ .").rpartition("/")[2].lower().split(".")
    require(last not in RUN_BY_WINDOWS - SOURCES or not inner, Code.EXECUTABLE, path)
    double = last in ACTIVE and any(part.strip() in GROUPS for part in inner[1:])
    require(not double, Code.EXECUTABLE, path)


def _checked(chunks: Iterator[bytes], entry: Entry, *, office: bool) -> bytes:
    """Its first bytes, up to MOST_HELD. Raises Invalid or Malware."""
    held = bytearray()
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        check_known(window)
        if office:
            require(PATTERN.search(window) is None, Code.ACTIVE, entry.name)
        if len(held) < MOST_HELD:
            held += chunk
        tail = window[-LONGEST:]
    _check_head(bytes(held[:HEAD]), entry.name, office=office)
    if held.startswith(OLE):
        _check_ole(held, entry)
    return bytes(held)


def _check_head(head: bytes, name: str, *, office: bool) -> None:
    program = executable(head)
    script = program == "script" and not office  # sources have them
    require(program is None or script, Code.EXECUTABLE, f"{name}: {program}")
    hiding = next((what for start, what in HIDING.items() if head.startswith(start)), "")
    require(not hiding, Code.NESTED, f"{name}: {hiding}")
    # Patterns are looked for in UTF-8.
    xml = office and name.lower().endswith((".xml", ".rels"))
    require(not xml or b"\0" not in head, Code.UNINSPECTABLE, f"{name}: another encoding")


def _check_ole(held: bytes | bytearray, entry: Entry) -> None:
    require(len(held) == entry.size, Code.UNINSPECTABLE, f"{entry.name}: too large to look into")
    require(OLE_MACROS not in held, Code.MACROS, entry.name)
    require(OLE_FILE not in held, Code.ACTIVE, f"{entry.name}: an embedded file")
