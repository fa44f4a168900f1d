from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from domain.errors import Refused
from domain.file import (
    FILE,
    MAX_RENDITIONS,
    DeleteFile,
    FileDeleted,
    FileEvent,
    FileInspected,
    FileProcessed,
    FilePurged,
    FileRestored,
    FileUploaded,
    InspectFile,
    ProcessFile,
    PurgeFile,
    Rendition,
    RestoreFile,
    UploadFile,
    Verdict,
    readable,
)
from domain.kernel import fold
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
P1, P2 = UUID(int=11), UUID(int=12)
FIRST = FileUploaded(
    project=P1,
    number=1,
    name="plan.pdf",
    key="f-1",
    content_type="application/pdf",
    bytes=7,
    sha256="aa",
    at=NOW,
)
SECOND = msgspec.structs.replace(FIRST, number=2, key="f-2", sha256="bb")
CLEAN = FileInspected(number=1, verdict=Verdict.CLEAN)
THUMB = Rendition("thumbnail.webp", "r-1", "image/webp", 3, "ab", 320, 200)
MADE = FileProcessed(number=1, renditions=(THUMB,))


def upload(**changed: object) -> UploadFile:
    fields = msgspec.structs.asdict(FIRST)
    del fields["number"]
    return msgspec.convert(fields | changed, UploadFile)


def test_what_is_uploaded_is_a_version() -> None:
    check(FILE, given=[], when=upload(name=" plan.pdf "), then=[FIRST])
    check(FILE, given=[FIRST], when=upload(key="f-2", sha256="bb"), then=[SECOND])


def test_the_same_again_is_nothing() -> None:
    check(FILE, given=[FIRST], when=upload(key="f-3"), then=[])
    renamed = msgspec.structs.replace(FIRST, number=2, name="map.pdf")
    check(FILE, given=[FIRST], when=upload(name="map.pdf"), then=[renamed])


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.INFECTED])
def test_what_was_refused_is_looked_through_when_it_comes_again(verdict: Verdict) -> None:
    found = FileInspected(number=1, verdict=verdict, reason="Eicar")
    again = msgspec.structs.replace(FIRST, number=2, key="f-3")
    check(FILE, given=[FIRST, found], when=upload(key="f-3"), then=[again])
    check(FILE, given=[FIRST, CLEAN], when=upload(key="f-3"), then=[])


@pytest.mark.parametrize(
    ("given", "command", "code"),
    [
        ([], upload(name=" "), "file.bad_name"),
        ([FIRST], upload(project=P2, sha256="bb"), "file.of_another_project"),
        ([FIRST, FileDeleted()], upload(sha256="bb"), "file.deleted"),
        ([], DeleteFile(), "file.not_found"),
        ([FIRST], InspectFile(number=2, verdict=Verdict.CLEAN), "file.no_such_version"),
        ([FIRST], ProcessFile(number=1), "file.not_clean"),
        (
            [FIRST, CLEAN],
            ProcessFile(number=1, renditions=(THUMB,) * (MAX_RENDITIONS + 1)),
            "file.too_many_renditions",
        ),
        ([FIRST], PurgeFile(), "file.not_deleted"),
        ([FIRST, FileDeleted(), FilePurged()], RestoreFile(), "file.purged"),
        ([FIRST], DeleteFile(reason="x" * 501), "file.bad_reason"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused(given: list[FileEvent], command: UploadFile, code: str) -> None:
    check(FILE, given=given, when=command, then=refused(code))


def test_a_verdict_stands_unless_a_clean_one_is_found_out() -> None:
    infected = FileInspected(number=1, verdict=Verdict.INFECTED, reason="Eicar")
    clean = InspectFile(number=1, verdict=Verdict.CLEAN)
    found_out = InspectFile(number=1, verdict=Verdict.INFECTED, reason="Eicar")
    check(FILE, given=[FIRST], when=clean, then=[CLEAN])
    check(FILE, given=[FIRST, CLEAN], when=clean, then=[])
    check(FILE, given=[FIRST, CLEAN], when=found_out, then=[infected])
    check(FILE, given=[FIRST, infected], when=clean, then=[])


def test_what_is_made_of_a_version_is_made_once() -> None:
    process = ProcessFile(number=1, renditions=(THUMB,))
    check(FILE, given=[FIRST, CLEAN], when=process, then=[MADE])
    check(FILE, given=[FIRST, CLEAN, MADE], when=process, then=[])
    more = msgspec.structs.replace(THUMB, name="w800.png", key="r-2")
    added = ProcessFile(number=1, renditions=(more, THUMB))
    both = FileProcessed(number=1, renditions=(THUMB, more))
    check(FILE, given=[FIRST, CLEAN, MADE], when=added, then=[both])


def test_deleted_restored_purged() -> None:
    gone = FileDeleted(reason="old")
    check(FILE, given=[FIRST], when=DeleteFile(reason=" old "), then=[gone])
    check(FILE, given=[FIRST, gone], when=DeleteFile(), then=[])
    check(FILE, given=[FIRST, gone], when=RestoreFile(), then=[FileRestored()])
    check(FILE, given=[FIRST], when=RestoreFile(), then=[])
    check(FILE, given=[FIRST, gone], when=PurgeFile(), then=[FilePurged()])
    check(FILE, given=[FIRST, gone, FilePurged()], when=PurgeFile(), then=[])


def had(*events: FileEvent, number: int | None = None) -> str:
    """Which version may be read, or why none may."""
    try:
        return readable(fold(FILE, events), number).key
    except Refused as refusal:
        return refusal.code


def test_only_what_was_found_clean_may_be_had() -> None:
    refused_one = FileInspected(number=2, verdict=Verdict.REFUSED, reason="file.bomb")
    assert had() == "file.not_found"
    assert had(FIRST) == "file.not_inspected"
    assert had(FIRST, CLEAN) == "f-1"
    assert had(FIRST, CLEAN, SECOND) == "f-1", "until the next one was looked through"
    assert had(FIRST, CLEAN, SECOND, number=2) == "file.not_inspected"
    assert had(FIRST, CLEAN, SECOND, refused_one, number=2) == "file.refused"
    assert had(FIRST, CLEAN, SECOND, refused_one) == "f-1"
    assert had(FIRST, CLEAN, FileDeleted()) == "file.not_found"
    assert had(FIRST, number=2) == "file.no_such_version"
