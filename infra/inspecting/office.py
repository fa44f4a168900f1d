"""Documents that are archives: OOXML and ODF without macros, and nothing fetched when opened."""

import re
from collections.abc import Collection, Mapping
from xml.parsers import expat

from infra.inspecting.kinds import DOCX, ODF, OOXML, PPTX, XLSX, Kind
from infra.inspecting.model import Code, refuse, require, words

TYPES = "[Content_Types].xml"
MANIFEST = "META-INF/manifest.xml"
MIMETYPE = "mimetype"
MAIN = {
    DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    PPTX: "application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
}
MACROS = re.compile(r"macro|vbaproject|activex", re.IGNORECASE)
MACRO_PLACES = re.compile(
    r"(^|/)(vbaProject\.bin|vbaData\.xml)$|^(xl/macrosheets|(word|xl|ppt)/activeX)/", re.IGNORECASE
)
ODF_MACRO_PLACES = re.compile(r"(^|/)(Basic|Scripts)/")
# Of things outside: these are fetched, or run, without a click. Links and linked books are not.
FETCHED = words("attachedTemplate oleObject frame subDocument aFChunk package control")
CLICKED = frozenset(("hyperlink", "externalLinkPath"))
SCHEMES = re.compile(r"\s*(mhtml|script|javascript|vbscript|data|ms-[\w-]+):", re.IGNORECASE)
SHARES = re.compile(r"\s*(file:|[\\/]{2})", re.IGNORECASE)  # they would be told a password's hash
# Entities grow, or read files; then a macro by name, and fields that start a program.
PATTERN = re.compile(
    rb"<!ENTITY|vnd\.sun\.star\.script:|<ddeLink|<w:instrText[^>]*>\s*DDE|w:instr=.\s*DDE"
)


def is_office(names: Collection[str]) -> bool:
    return not {TYPES.lower(), MIMETYPE}.isdisjoint(name.lower() for name in names)


def is_kept(name: str) -> bool:
    """Whether `check_office` wants to see it."""
    return name in (TYPES, MANIFEST, MIMETYPE) or name.lower().endswith(".rels")


def check_office(kind: Kind | None, names: Collection[str], parts: Mapping[str, bytes]) -> None:
    """`kind`: what it has to be, None where that is not said. Raises Invalid."""
    if is_office(names):  # which of two is read depends on the reader
        alike = len({name.lower() for name in names}) < len(names)
        require(not alike, Code.POLYGLOT, "two parts of a name")
    require(not any(map(MACRO_PLACES.search, names)), Code.MACROS, "a place for macros")
    scripts = MIMETYPE in names and any(map(ODF_MACRO_PLACES.search, names))
    require(not scripts, Code.MACROS, "a place for macros")
    types = [
        found.get("ContentType", "")
        for _, found in (_elements(parts[TYPES]) if TYPES in parts else [])
    ]
    require(not any(map(MACROS.search, types)), Code.MACROS, "a type for macros")
    if kind in OOXML:
        require(MAIN[kind] in types, Code.DIFFERS, "not what its name says")
    if kind in ODF:
        said = parts.get(MIMETYPE, b"").decode("latin-1")
        require(said == kind.content_type, Code.DIFFERS, "not what its name says")
    for name, part in parts.items():
        if name.lower().endswith(".rels"):
            _check_relations(part)
        elif name == MANIFEST and MIMETYPE in parts:
            encrypted = any(element.endswith("encryption-data") for element, _ in _elements(part))
            require(not encrypted, Code.ENCRYPTED, "a password")


def _check_relations(part: bytes) -> None:
    for _, found in _elements(part):
        if found.get("TargetMode", "").strip().lower() == "external":
            what = found.get("Type", "").rpartition("/")[2]
            require(what not in FETCHED, Code.EXTERNAL, what[:50])
            target = found.get("Target", "")
            require(not SCHEMES.match(target), Code.EXTERNAL, "a scheme")
            require(what in CLICKED or not SHARES.match(target), Code.EXTERNAL, "a share")


def _elements(part: bytes) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        found.append((name, attributes))

    def entity(*_: object) -> None:
        refuse(Code.ACTIVE, "an entity")

    parser.StartElementHandler = start
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(part, True)
    except expat.ExpatError as error:
        refuse(Code.DAMAGED, str(error))
    return found
