"""The allow-list: every kind of file that is taken, and what its first bytes are."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from infra.inspecting.model import Code, refuse

Signature: TypeAlias = tuple[tuple[int, bytes], ...]  # all of (offset, bytes) must be there


class Group(StrEnum):
    IMAGE = "image"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    TEXT = "text"
    AUDIO = "audio"
    VIDEO = "video"


class Kind(msgspec.Struct, frozen=True):
    """`extensions`: the first is the one to give. Without `signatures` it is text."""

    content_type: str
    extensions: tuple[str, ...]
    group: Group
    signatures: tuple[Signature, ...] = ()


ZIP_START = b"PK\x03\x04"
_ZIP: tuple[Signature, ...] = (((0, ZIP_START),),)
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."


def _ooxml(part: str, extension: str) -> Kind:
    return Kind(f"{_OOXML}{part}", (extension,), Group.DOCUMENT, _ZIP)


def _odf(part: str, extension: str) -> Kind:
    """The first entry is `mimetype`, stored."""
    said = (30, f"mimetype{_ODF}{part}PK".encode())
    return Kind(f"{_ODF}{part}", (extension,), Group.DOCUMENT, (((0, ZIP_START), said),))


def _boxes(*brands: bytes) -> tuple[Signature, ...]:
    return tuple(((4, b"ftyp" + brand),) for brand in brands)


JPEG = Kind("image/jpeg", ("jpg", "jpeg", "jpe", "jfif"), Group.IMAGE, (((0, b"\xff\xd8\xff"),),))
PNG = Kind("image/png", ("png",), Group.IMAGE, (((0, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),),))
GIF = Kind("image/gif", ("gif",), Group.IMAGE, (((0, b"GIF87a"),), ((0, b"GIF89a"),)))
WEBP = Kind("image/webp", ("webp",), Group.IMAGE, (((0, b"RIFF"), (8, b"WEBPVP8")),))
AVIF = Kind("image/avif", ("avif",), Group.IMAGE, _boxes(b"avif"))
HEIC = Kind("image/heic", ("heic", "heif"), Group.IMAGE, _boxes(b"heic", b"heix"))
SVG = Kind("image/svg+xml", ("svg",), Group.IMAGE)

PDF = Kind("application/pdf", ("pdf",), Group.DOCUMENT, (((0, b"%PDF-1."),), ((0, b"%PDF-2."),)))
DOCX = _ooxml("wordprocessingml.document", "docx")
XLSX = _ooxml("spreadsheetml.sheet", "xlsx")
PPTX = _ooxml("presentationml.presentation", "pptx")
ODT = _odf("text", "odt")
ODS = _odf("spreadsheet", "ods")
ODP = _odf("presentation", "odp")
ODG = _odf("graphics", "odg")
ZIP = Kind("application/zip", ("zip",), Group.ARCHIVE, _ZIP)

TEXT = Kind("text/plain", ("txt", "text", "log"), Group.TEXT)
CSV = Kind("text/csv", ("csv",), Group.TEXT)
TSV = Kind("text/tab-separated-values", ("tsv",), Group.TEXT)
MARKDOWN = Kind("text/markdown", ("md", "markdown"), Group.TEXT)
JSON = Kind("application/json", ("json",), Group.TEXT)

MP3 = Kind(
    "audio/mpeg",
    ("mp3",),
    Group.AUDIO,
    (((0, b"ID3"),), *(((0, bytes((0xFF, second))),) for second in (0xFB, 0xFA, 0xF3, 0xF2))),
)
WAV = Kind("audio/wav", ("wav",), Group.AUDIO, (((0, b"RIFF"), (8, b"WAVEfmt ")),))
OGG = Kind("audio/ogg", ("ogg", "oga", "opus"), Group.AUDIO, (((0, b"OggS\x00\x02"),),))
FLAC = Kind("audio/flac", ("flac",), Group.AUDIO, (((0, b"fLaC\x00\x00\x00\x22"),),))
M4A = Kind("audio/mp4", ("m4a",), Group.AUDIO, _boxes(b"M4A "))
MP4 = Kind(
    "video/mp4",
    ("mp4", "m4v"),
    Group.VIDEO,
    _boxes(
        b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash"
    ),
)
MOV = Kind("video/quicktime", ("mov",), Group.VIDEO, _boxes(b"qt  "))
WEBM = Kind("video/webm", ("webm",), Group.VIDEO, (((0, b"\x1aE\xdf\xa3"),),))

# The more exact before the less: an ODF is a zip as well. Of several with the same signature the
# extension chooses, and the first is for names without one.
ALLOWED = (
    *(JPEG, PNG, GIF, WEBP, AVIF, HEIC, PDF, ODT, ODS, ODP, ODG, ZIP, DOCX, XLSX, PPTX),
    *(MP3, WAV, OGG, FLAC, M4A, MP4, MOV, WEBM),
    *(TEXT, CSV, TSV, MARKDOWN, JSON, SVG),
)
OOXML = frozenset((DOCX, XLSX, PPTX))
ODF = frozenset((ODT, ODS, ODP, ODG))
KINDS = {kind.content_type: kind for kind in ALLOWED}
GROUPS = {extension: kind.group for kind in ALLOWED for extension in kind.extensions}


def kind_of(content_type: str) -> Kind:
    """Raises Invalid."""
    return KINDS.get(content_type) or refuse(Code.TYPE, "not on the list")
