"""formula files: what projects keep, whether it is whole, its end and its return."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
import typer

from api.commands.asking import AsUser, asking
from api.commands.jobs import columns, somebody
from api.commands.output import JsonFlag, out, print_json, running_settings
from api.commands.progress import progress
from api.file_check import Report, check_files
from api.rights import Caller, require
from domain.access import Action
from domain.errors import NotFound
from domain.file import FILE, DeleteFile, RestoreFile
from infra.db import Connection
from infra.runtime import Origin, Runtime
from projections.files import FileRow, VersionRow, get_file, list_files, versions_of
from projections.read import reading

HERE = "formula files"  # where the command line's orders come from
PAGE = 500

app = typer.Typer(help="Look after what projects keep.", no_args_is_help=True)

FileId = Annotated[UUID, typer.Argument(metavar="FILE", help="See `formula files list`.")]
OfProject = Annotated[UUID | None, typer.Option(help="Of this project.")]


class Shown(msgspec.Struct, frozen=True):
    """`versions`: oldest first."""

    file: FileRow
    versions: list[VersionRow]


class Changed(msgspec.Struct, frozen=True):
    id: UUID
    position: int | None  # null: there was nothing to do


@app.command()
def verify(project: OfProject = None, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Read every version that is kept, and all that was made of it, and hold length and SHA-256
    against what came in and what was made.

    Tells as well how many blobs no file has: `purge_files` removes those older than a day. Exit
    code 1 when one is missing, damaged or differs.

    Example: [bold]formula files verify --json | jq '.findings[]'[/]
    """
    with progress() as note:
        report = asyncio.run(_verify(as_user, project, partial(note, "verifying")))
    if json:
        print_json(report)
    else:
        _print_report(report)
    raise typer.Exit(0 if report.ok else 1)


async def _verify(
    as_user: str | None, project: UUID | None, note: Callable[[int, int], None]
) -> Report:
    async with asking(running_settings(), as_user, Action.FILE_READ, project) as runtime:
        return await check_files(runtime, project, note)


def _print_report(report: Report) -> None:
    for one in report.findings:
        which = f"{one.number} {one.rendition}".rstrip()
        _line(f"{one.fault:<8} {one.file} version {which} {one.key} {one.detail}".rstrip())
    counted = f"{report.versions:,} versions, {report.renditions:,} renditions"
    _line(f"{counted}, {report.bytes:,} bytes: {len(report.findings)} faults")
    if report.strays is not None:
        old, young = report.strays.old, report.strays.young
        _line(f"{old:,} blobs of no file, and {young:,} younger than a day")


@app.command("list")
def list_all(
    project: OfProject = None,
    search: Annotated[str | None, typer.Option(help="Beginnings of words in names.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print files, newest first.

    Example: [bold]formula files list --search "lift pdf"[/]
    """
    found = asyncio.run(_list(as_user, project, search, limit))
    if json:
        for one in found:
            print_json(one)
        return
    lines = [("FILE", "MADE", "VERSIONS", "BYTES", "VERDICT", "TYPE", "NAME")]
    for one in found:
        facts = str(one.number), f"{one.bytes:,}", _verdict(one), one.content_type, one.name
        lines.append((str(one.id), _at(one.created_at), *facts))
    out.print(columns(lines), soft_wrap=True)


async def _list(
    as_user: str | None, project: UUID | None, search: str | None, limit: int
) -> list[FileRow]:
    async with somebody(as_user) as (runtime, who), reading(runtime) as db:
        member = None if who is None or who.may(Action.FILE_READ) else who.id
        return await list_files(db, project=project, search=search, member=member, limit=limit)


@app.command()
def show(file: FileId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print a file, its versions, what was found in each and made of it. Also a deleted one."""
    found = asyncio.run(_show(as_user, file))
    if json:
        print_json(found)
        return
    one = found.file
    _line(f"{one.id} of project {one.project}: {one.name}")
    _line(f"made {_at(one.created_at)}, changed {_at(one.changed_at)}")
    if one.deleted_at is not None:
        _line(f"deleted {_at(one.deleted_at)}{', purged' if one.purged else ''}")
    for version in found.versions:
        _print_version(version)


def _print_version(one: VersionRow) -> None:
    why = " ".join(filter(None, (_verdict(one), one.reason)))
    _line(f"version {one.number} of {_at(one.at)}: {one.name}, {one.bytes:,} bytes, {why}")
    _line(f"  SHA-256 {one.sha256}")
    for made in one.renditions:
        size = f" {made.width} × {made.height}" if made.width else ""
        _line(f"  {made.name} {made.content_type}{size}, {made.bytes:,} bytes")
    if one.failed:
        _line(f"  no renditions: {one.failed}")


async def _show(as_user: str | None, file: UUID) -> Shown:
    async with somebody(as_user) as (runtime, who):
        await _project(runtime, who, file, Action.FILE_READ)
        async with reading(runtime) as db:
            row, versions = await get_file(db, file), await _versions(db, file)
    sees_deleted = who is None or who.may(Action.FILE_DELETE)
    if row is None or (row.deleted_at is not None and not sees_deleted):
        raise NotFound("file.not_found", file=file)
    return Shown(row, versions)


async def _versions(db: Connection, file: UUID) -> list[VersionRow]:
    found = await versions_of(db, file, 0, PAGE)
    while len(found) % PAGE == 0 and (more := await versions_of(db, file, len(found), PAGE)):
        found += more
    return found


@app.command("rm")
def remove(
    file: FileId,
    reason: Annotated[str, typer.Option(help="Why; the audit keeps it.")],
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Delete a file: nobody has it any more; it can be restored for DELETED_FILES_KEPT_S.

    Example: [bold]formula files rm 0190… --reason "of no use"[/]
    """
    _change(as_user, file, DeleteFile(reason=reason), "deleted", json=json)


@app.command()
def restore(file: FileId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Give a deleted file back to those who had it."""
    _change(as_user, file, RestoreFile(), "restored", json=json)


def _change(
    as_user: str | None, file: UUID, command: DeleteFile | RestoreFile, what: str, *, json: bool
) -> None:
    done = asyncio.run(_do(as_user, file, command))
    if json:
        print_json(done)
    else:
        _line(f"{file} {what if done.position else f'was {what} before'}")


async def _do(as_user: str | None, file: UUID, command: DeleteFile | RestoreFile) -> Changed:
    async with somebody(as_user) as (runtime, who):
        project = await _project(runtime, who, file, Action.FILE_DELETE)
        origin = Origin(actor=who.id if who else None, user_agent=HERE)
        outcome = await runtime.execute(origin, FILE, file, command, project=project)
        return Changed(file, outcome.position)


async def _project(runtime: Runtime, who: Caller | None, file: UUID, action: Action) -> UUID:
    """Its project, for those who may do that there. Raises NotFound, NotAllowed."""
    project = (await runtime.load(FILE, file)).state.project
    if project is None:
        raise NotFound("file.not_found", file=file)
    if who is not None:
        try:
            await require(runtime, who, action, project=project)
        except NotFound:  # whether there is such a file is not told
            raise NotFound("file.not_found", file=file) from None
    return project


def _verdict(one: FileRow | VersionRow) -> str:
    return one.verdict or "not looked through yet"


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"


def _line(text: str) -> None:
    """As it is: names are people's."""
    out.print(text, soft_wrap=True, markup=False)
