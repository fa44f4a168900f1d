"""formula store export, formula store import: the log to a file, and from one."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from api.commands.progress import progress
from infra.eventstore.archive import ArchiveError
from infra.eventstore.files import Format, format_of
from infra.eventstore.restore import import_log as read_log
from infra.eventstore.transfer import Transferred
from infra.eventstore.transfer import export_log as write_log
from infra.settings import load_settings


def export_log(
    file: Annotated[Path, typer.Argument(help="Ends in .ndjson, .jsonl or .parquet.")],
    format_: Annotated[
        Format | None, typer.Option("--format", help="Whatever the file's name ends in.")
    ] = None,
    start: Annotated[
        int, typer.Option("--from", min=1, metavar="POSITION", help="Leave out what is before.")
    ] = 1,
    json: JsonFlag = False,
) -> None:
    """Write the log to a file, up to the newest event of now. Events may come meanwhile.

    If it is interrupted, the same command goes on where it stopped.

    Examples: [bold]formula store export log.ndjson[/], [bold]formula store export log.parquet[/]
    """
    with _plainly(), progress() as note:
        done = write_log(_database(), file, format_ or format_of(file), start, note)
    _report("exported", "to", done, json=json)


def import_log(
    file: Annotated[Path, typer.Argument(help="A whole export, in either format.")],
    json: JsonFlag = False,
) -> None:
    """Store an exported log in a database whose log is empty (formula up --no-demo).

    The file is checked first: if anything is wrong with it, nothing is stored. If it is
    interrupted, the same command goes on where it stopped.

    Example: [bold]formula store import log.ndjson[/]
    """
    with _plainly(), progress() as note:
        done = read_log(_database(), file, load_settings().event_compress_above, note)
    _report("imported", "from", done, json=json)


@contextmanager
def _plainly() -> Generator[None]:
    try:
        yield
    except ArchiveError as error:
        fail(error)
    except KeyboardInterrupt:
        fail("interrupted: the same command goes on from here")


def _database() -> str:
    """These need no Redis."""
    return load_settings().database_url or running_settings().database_url


def _report(did: str, where: str, done: Transferred, *, json: bool) -> None:
    if json:
        print_json(done)
        return
    totals = done.totals
    out.print(
        f"{did} {totals.events:,} events and {totals.motion:,} motion facts {where} {done.file}",
        f"positions {totals.first} to {totals.last}, sha256 {totals.sha256}",
        *([f"went on after the first {done.resumed:,} rows"] if done.resumed else []),
        sep="\n",
        markup=False,
        soft_wrap=True,
    )
