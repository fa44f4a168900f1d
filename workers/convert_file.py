"""Make a picture, or a PDF's first page, in the format and size that somebody asked for."""

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from domain.errors import NotFound
from domain.file import FILE, Content, ProcessFile, content, readable
from domain.file import Rendition as FileRendition
from domain.job_args import ConvertFile
from infra.renditions.model import Format, Rendition
from infra.renditions.rendering import convert
from projections.quotas import room_for
from workers.inspect_file import fetched
from workers.model import FILES, Context, Job
from workers.process_file import keep


class Converted(msgspec.Struct, frozen=True):
    """Which rendition to ask for."""

    rendition: str
    bytes: int


async def run(context: Context, args: ConvertFile) -> Converted:
    file = (await context.runtime.load(FILE, args.file)).state
    if file.project != args.project:
        raise NotFound("file.not_found", file=args.file)
    version = readable(file, args.number or None)
    number = args.number or file.versions.index(version) + 1
    if there := _named(version, _name(args)):
        return there
    async with fetched(context.runtime, version.key) as path:
        with TemporaryDirectory(prefix="formula-converted-") as folder:
            made = await convert(
                path,
                version.content_type,
                Format(args.to),
                Path(folder),
                width=args.width,
                quality=args.quality,
            )
            kept = await _keep(context, args, number, made)
    now = content((await context.runtime.load(FILE, args.file)).state, number)
    return _named(now, kept.name) or Converted(kept.name, kept.bytes)


async def _keep(context: Context, args: ConvertFile, number: int, made: Rendition) -> FileRendition:
    """Raises Invalid where the project has no room for it; it counts for no person."""
    runtime, nobody = context.runtime, args.file
    async with room_for(runtime, args.project, nobody, made.bytes) as coming:
        kept = await keep(context, args.file, number, made, _name(args))
        command = ProcessFile(number=number, renditions=(kept,))
        outcome = await runtime.execute(
            context.origin, FILE, args.file, command, project=args.project
        )
        coming.bytes, coming.position = made.bytes, outcome.position
    return kept


def _named(version: Content, name: str) -> Converted | None:
    """What is there by that name stays as it is."""
    found = (one for one in version.renditions if one.name == name)
    return next((Converted(one.name, one.bytes) for one in found), None)


def _name(args: ConvertFile) -> str:
    width = f"w{args.width}" if args.width else "full"
    quality = f"-q{args.quality}" if args.quality else ""
    return f"{width}{quality}.{Format(args.to).suffix}"


JOB = Job("convert_file", FILES, ConvertFile, run, timeout_s=600.0)
