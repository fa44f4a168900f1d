"""File: what people keep with a project, in versions, each looked through before anybody has it."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_NAME = 200  # characters
MAX_VERSIONS = 1_000
MAX_RENDITIONS = 50
MAX_REASON = 500  # characters


class Verdict(StrEnum):
    CLEAN = "clean"
    REFUSED = "refused"  # it is not what it says, or not what may be kept
    INFECTED = "infected"


class Rendition(msgspec.Struct, frozen=True):
    """Made of a version: another size or format of a picture, a page, a preview."""

    name: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    width: int | None = None
    height: int | None = None


# Events


class FileUploaded(Event, frozen=True, kw_only=True, tag="file.uploaded.v1"):
    """`number`: of the version, from 1; `key`: where its bytes are, which other files may share."""

    project: UUID
    number: int
    name: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    at: datetime


class FileInspected(Event, frozen=True, kw_only=True, tag="file.inspected.v1"):
    """`reason`: why it was refused, or what it is infected with."""

    number: int
    verdict: Verdict
    reason: str = ""


class FileProcessed(Event, frozen=True, kw_only=True, tag="file.processed.v1"):
    """`renditions`: all that there are by now; `failed`: why none are of a kind that has some."""

    number: int
    renditions: tuple[Rendition, ...] = ()
    failed: str = ""


class FileDeleted(Event, frozen=True, kw_only=True, tag="file.deleted.v1"):
    """Nobody has it any more; until it is purged it can be restored."""

    reason: str = ""


class FileRestored(Event, frozen=True, kw_only=True, tag="file.restored.v1"):
    pass


class FilePurged(Event, frozen=True, kw_only=True, tag="file.purged.v1"):
    """Its bytes are thrown away for good."""


# Commands


class UploadFile(Command, frozen=True, kw_only=True, tag="upload_file"):
    """The first version of a file, or its next one; what was refused may come again."""

    project: UUID
    name: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    at: datetime


class InspectFile(Command, frozen=True, kw_only=True, tag="inspect_file"):
    number: int
    verdict: Verdict
    reason: str = ""


class ProcessFile(Command, frozen=True, kw_only=True, tag="process_file"):
    number: int
    renditions: tuple[Rendition, ...] = ()
    failed: str = ""


class DeleteFile(Command, frozen=True, kw_only=True, tag="delete_file"):
    reason: str = ""


class RestoreFile(Command, frozen=True, kw_only=True, tag="restore_file"):
    pass


class PurgeFile(Command, frozen=True, kw_only=True, tag="purge_file"):
    pass


FileEvent: TypeAlias = (
    FileUploaded | FileInspected | FileProcessed | FileDeleted | FileRestored | FilePurged
)
FileCommand: TypeAlias = (
    UploadFile | InspectFile | ProcessFile | DeleteFile | RestoreFile | PurgeFile
)


class Content(msgspec.Struct, frozen=True):
    """A version. `verdict` None: nobody has looked through it yet."""

    name: str
    key: str
    content_type: str
    bytes: int
    sha256: str
    verdict: Verdict | None = None
    reason: str = ""
    renditions: tuple[Rendition, ...] = ()
    processed: bool = False


class File(msgspec.Struct, frozen=True):
    project: UUID | None = None  # None: never uploaded
    versions: tuple[Content, ...] = ()
    deleted: bool = False
    purged: bool = False


def readable(file: File, number: int | None = None) -> Content:
    """A version that may be had, by default the newest of them.

    Raises NotFound; WrongState for one that nobody has looked through, or that came to nothing.
    """
    if file.project is None or file.deleted:
        raise NotFound("file.not_found")
    if number is not None:
        found = content(file, number)
    else:
        clean = [one for one in file.versions if one.verdict is Verdict.CLEAN]
        found = clean[-1] if clean else file.versions[-1]
    if found.verdict is None:
        raise WrongState("file.not_inspected")
    if found.verdict is not Verdict.CLEAN:
        raise WrongState(f"file.{found.verdict}")
    return found


def content(file: File, number: int) -> Content:
    """Raises NotFound for a version that there is not."""
    if not 0 < number <= len(file.versions):
        raise NotFound("file.no_such_version", version=number, newest=len(file.versions))
    return file.versions[number - 1]


def decide(command: FileCommand, file: File) -> list[FileEvent]:
    if isinstance(command, UploadFile):
        return _upload(command, file)
    if file.project is None:
        raise NotFound("file.not_found")
    match command:
        case InspectFile():
            return _inspect(command, file)
        case ProcessFile():
            return _process(command, file)
        case DeleteFile(reason=reason):
            reason = checked(reason, "file.bad_reason", MAX_REASON, least=0)
            return [] if file.deleted else [FileDeleted(reason=reason)]
        case RestoreFile():
            if file.purged:
                raise WrongState("file.purged")
            return [FileRestored()] if file.deleted else []
        case PurgeFile():
            if not file.deleted:
                raise WrongState("file.not_deleted")
            return [] if file.purged else [FilePurged()]
        case _:
            assert_never(command)


def _upload(command: UploadFile, file: File) -> list[FileEvent]:
    if file.project not in (None, command.project):
        raise WrongState("file.of_another_project")
    if file.deleted:
        raise WrongState("file.deleted")
    if len(file.versions) == MAX_VERSIONS:
        raise Invalid("file.too_many_versions", most=MAX_VERSIONS)
    newest = file.versions[-1] if file.versions else None
    name = checked(command.name, "file.bad_name", MAX_NAME)
    same = newest and (newest.sha256, newest.name) == (command.sha256, name)
    if newest and same and newest.verdict in (None, Verdict.CLEAN):
        return []
    return [
        FileUploaded(
            project=command.project,
            number=len(file.versions) + 1,
            name=name,
            key=no_nul(command.key),
            content_type=no_nul(command.content_type),
            bytes=command.bytes,
            sha256=no_nul(command.sha256),
            at=command.at,
        )
    ]


def _inspect(command: InspectFile, file: File) -> list[FileEvent]:
    """A second verdict counts only against it: what was clean may be found out later."""
    known = content(file, command.number).verdict
    if known not in (None, Verdict.CLEAN) or known is command.verdict:
        return []
    reason = no_nul(command.reason)[:MAX_REASON]
    return [FileInspected(number=command.number, verdict=command.verdict, reason=reason)]


def _process(command: ProcessFile, file: File) -> list[FileEvent]:
    """More may be made of it later; what is there by its name stays."""
    version = content(file, command.number)
    if version.verdict is not Verdict.CLEAN:
        raise WrongState("file.not_clean")
    there = {one.name for one in version.renditions}
    new = [one for one in command.renditions if one.name not in there]
    renditions = (*version.renditions, *new)
    if len(renditions) > MAX_RENDITIONS:
        raise Invalid("file.too_many_renditions", most=MAX_RENDITIONS)
    for one in new:
        no_nul(one.name + one.key + one.content_type + one.sha256)
    if file.purged or (version.processed and not new):
        return []
    failed = no_nul(command.failed)[:MAX_REASON]
    return [FileProcessed(number=command.number, renditions=renditions, failed=failed)]


def evolve(file: File, event: FileEvent) -> File:
    match event:
        case FileUploaded():
            new = Content(event.name, event.key, event.content_type, event.bytes, event.sha256)
            return msgspec.structs.replace(
                file, project=event.project, versions=(*file.versions, new)
            )
        case FileInspected(number=number, verdict=verdict, reason=reason):
            return _changed(file, number, verdict=verdict, reason=reason)
        case FileProcessed(number=number, renditions=renditions):
            return _changed(file, number, renditions=renditions, processed=True)
        case FileDeleted():
            return msgspec.structs.replace(file, deleted=True)
        case FileRestored():
            return msgspec.structs.replace(file, deleted=False)
        case FilePurged():
            return msgspec.structs.replace(file, purged=True)
        case _:
            assert_never(event)


def _changed(file: File, number: int, **changes: object) -> File:
    if not 0 < number <= len(file.versions):
        return file
    versions = list(file.versions)
    versions[number - 1] = msgspec.structs.replace(versions[number - 1], **changes)
    return msgspec.structs.replace(file, versions=tuple(versions))


FILE = Decider(
    name="file",
    initial=File(),
    decide=decide,
    evolve=evolve,
    events=(FileUploaded, FileInspected, FileProcessed, FileDeleted, FileRestored, FilePurged),
)
