"""A whole file: is it what it was recognised as, and that alone, and harmless?"""

from collections.abc import Callable, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from struct import error as struct_error

from domain.errors import Invalid
from infra.inspecting.archives import check_archive
from infra.inspecting.containers import (
    check_film,
    check_flac,
    check_mp3,
    check_ogg,
    check_wave,
    check_webm,
)
from infra.inspecting.images import CHECKS as IMAGES
from infra.inspecting.kinds import (
    FLAC,
    M4A,
    MOV,
    MP3,
    MP4,
    ODF,
    OGG,
    OOXML,
    PDF,
    SVG,
    WAV,
    WEBM,
    ZIP,
    Group,
    Kind,
)
from infra.inspecting.model import (
    Clean,
    Code,
    Content,
    Infected,
    Malware,
    Rejected,
    Verdict,
    require,
)
from infra.inspecting.pdfs import check_pdf
from infra.inspecting.polyglots import check_polyglot
from infra.inspecting.recognising import HEAD, recognise
from infra.inspecting.signatures import check_known
from infra.inspecting.svg import check_svg
from infra.inspecting.texts import check_text
from infra.inspecting.zips import Budget

SCANNER = "built-in"


def inspect(path: Path, name: str, kind: Kind) -> Verdict:
    """Never raises for what is in the file, short of running out of memory or time."""
    try:
        with path.open("rb") as file:
            require(path.stat().st_size > 0, Code.EMPTY, "no bytes")
            with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                _check(content, name, kind)
    except Invalid as refused:
        return Rejected(Code(refused.code), str(refused.detail.get("why", "")))
    except (IndexError, struct_error):  # a length in it led behind its end
        return Rejected(Code.DAMAGED, "cut short")
    except Malware as found:
        return Infected(str(found), SCANNER)
    return Clean(SCANNER)


def _check(content: Content, name: str, kind: Kind) -> None:
    require(recognise(content[:HEAD], name) == kind, Code.DIFFERS, "recognised as another kind")
    check_known(content)
    if kind is ZIP or kind in OOXML or kind in ODF:
        check_archive(content, kind, Budget())
        return
    check_polyglot(content, kind)
    if kind in IMAGES:
        IMAGES[kind](content)
    elif kind.group is Group.TEXT:
        check_text(content, kind)
    elif kind in OTHERS:
        OTHERS[kind](content)


OTHERS: Mapping[Kind, Callable[[Content], None]] = {
    SVG: check_svg,
    PDF: check_pdf,
    WAV: check_wave,
    MP3: check_mp3,
    OGG: check_ogg,
    FLAC: check_flac,
    MP4: check_film,
    M4A: check_film,
    MOV: check_film,
    WEBM: check_webm,
}
