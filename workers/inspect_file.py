"""Look through what was uploaded: until it was found clean, nobody has it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO
from uuid import UUID, uuid5

from anyio import to_thread

from domain.file import FILE, FileUploaded, InspectFile, Verdict, content
from domain.kernel import Recorded
from domain.notification import SendNotification
from domain.preferences import Notice
from infra.blobs.model import Flow
from infra.inspecting.judging import judge
from infra.inspecting.kinds import kind_of
from infra.inspecting.model import Clean, Infected
from infra.inspecting.model import Verdict as Found
from infra.runtime import Runtime
from projections.contents import needed_keys
from projections.read import reading
from workers.model import FILES, Args, Context, Job
from workers.notices import channels_for, notify


class Inspect(Args, frozen=True):
    file: UUID
    project: UUID
    number: int
    name: str
    content_type: str
    blob: str


def react(recorded: Recorded[FileUploaded]) -> list[Inspect]:
    event = recorded.event
    return [
        Inspect(
            recorded.stream,
            event.project,
            event.number,
            event.name,
            event.content_type,
            event.key,
        )
    ]


async def run(context: Context, args: Inspect) -> None:
    """A second attempt looks no more at what has its verdict: its bytes may be gone."""
    runtime = context.runtime
    version = content((await runtime.load(FILE, args.file)).state, args.number)
    if version.verdict is None:
        async with fetched(runtime, args.blob) as path:
            found = await judge(runtime.settings, path, args.name, kind_of(args.content_type))
        command = _command(args.number, found)
        await runtime.execute(context.origin, FILE, args.file, command, project=args.project)
    else:
        command = InspectFile(number=args.number, verdict=version.verdict, reason=version.reason)
    if command.verdict is Verdict.CLEAN:
        return
    await context.log(f"{command.verdict}: {command.reason}")
    await _tell(context, args, command)
    await _throw_away(runtime, args.blob)


@asynccontextmanager
async def fetched(runtime: Runtime, key: str) -> AsyncGenerator[Path]:
    """A file's bytes in a folder of their own, for programs that want a path."""
    with TemporaryDirectory(prefix="formula-file-") as folder:
        path = Path(folder) / "content"
        opened = await runtime.blobs.open(key)
        with await to_thread.run_sync(path.open, "wb") as file:
            await _copied(opened.content, file)
        yield path


async def _copied(content: Flow, file: IO[bytes]) -> None:
    try:
        async for chunk in content:
            await to_thread.run_sync(file.write, chunk)
    finally:
        await content.aclose()


def _command(number: int, found: Found) -> InspectFile:
    match found:
        case Clean():
            return InspectFile(number=number, verdict=Verdict.CLEAN)
        case Infected(signature=signature):
            return InspectFile(number=number, verdict=Verdict.INFECTED, reason=signature)
        case rejected:
            return InspectFile(number=number, verdict=Verdict.REFUSED, reason=rejected.code)


async def _throw_away(runtime: Runtime, key: str) -> None:
    """Unless another file has the same bytes: then its own inspection says what they are."""
    async with reading(runtime, min_position=await runtime.store.head()) as db:
        needed = await needed_keys(db, [key])
    if not needed:
        await runtime.blobs.delete(key)


async def _tell(context: Context, args: Inspect, command: InspectFile) -> None:
    if context.owner is None:
        return
    infected = command.verdict is Verdict.INFECTED
    notice = SendNotification(
        user=context.owner,
        kind=Notice.FILE_REFUSED,
        title=f"“{args.name}” was {'infected' if infected else 'refused'}",
        body=f"Nobody can have it: {command.reason}",
        level="warning",
        project=args.project,
        at=context.runtime.now(),
    )
    channels = await channels_for(context.runtime, context.owner, Notice.FILE_REFUSED)
    await notify(context, uuid5(args.file, f"refused {args.number}"), notice, channels)


JOB = Job("inspect_file", FILES, Inspect, run, (FileUploaded,), react, timeout_s=600.0)
