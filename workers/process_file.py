"""Make what pages show of a file: thumbnails, sizes, previews."""

import asyncio
from collections.abc import AsyncGenerator
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from domain.file import FILE, Content, FileInspected, ProcessFile, Rendition, Verdict, content
from domain.kernel import Recorded
from infra.renditions import model as made
from infra.renditions.rendering import render
from workers.inspect_file import fetched
from workers.model import FILES, Args, Context, Job

CHUNK = 1 << 18  # bytes


class Process(Args, frozen=True):
    file: UUID
    number: int


def react(recorded: Recorded[FileInspected]) -> list[Process]:
    event = recorded.event
    return [Process(recorded.stream, event.number)] if event.verdict is Verdict.CLEAN else []


async def run(context: Context, args: Process) -> None:
    file = (await context.runtime.load(FILE, args.file)).state
    version = content(file, args.number)
    if file.purged or not made.renderable(version.content_type):
        return
    async with fetched(context.runtime, version.key) as path:
        command = await _command(context, args, path, version)
    await context.runtime.execute(context.origin, FILE, args.file, command, project=file.project)


async def _command(context: Context, args: Process, path: Path, version: Content) -> ProcessFile:
    with TemporaryDirectory(prefix="formula-renditions-") as folder:
        try:
            found = await render(path, version.content_type, Path(folder))
        except made.Failed as failed:
            await context.log(f"no renditions: {failed}")
            return ProcessFile(number=args.number, failed=failed.cause)
        there = {one.name for one in version.renditions}
        new = [one for one in found if one.name not in there]
        kept = [await keep(context, args.file, args.number, one) for one in new]
    return ProcessFile(number=args.number, renditions=tuple(kept))


async def keep(
    context: Context, file: UUID, number: int, one: made.Rendition, name: str = ""
) -> Rendition:
    """Under a key of its content: of two that make it at once, one's event is kept, and with it
    its bytes; a retry that makes the same gives it the same key.
    """
    name = name or one.name
    digest = await asyncio.to_thread(_digest, one.path)
    key = f"r-{file.hex}-{number}-{name.replace('.', '-')}-{digest[:16]}"
    await context.runtime.blobs.put(key, _read(one.path), content_type=one.content_type, name=name)
    return Rendition(name, key, one.content_type, one.bytes, digest, one.width, one.height)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


async def _read(path: Path) -> AsyncGenerator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


JOB = Job("process_file", FILES, Process, run, (FileInspected,), react, timeout_s=600.0)
