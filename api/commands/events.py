"""formula events: the log as it grows, and one stream from its beginning."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.text import Text

from api.commands.asking import AsUser, actor_name, asking
from api.commands.output import (
    JsonFlag,
    fail,
    out,
    print_json,
    running_settings,
)
from domain.access import Action
from domain.kernel import Event, Recorded
from domain.registry import tag_of
from infra.runtime import Runtime
from infra.settings import Settings
from projections.rows import event_text

MOST_TEXT = 60  # characters of one value in a line for people

app = typer.Typer(help="Read the event log.", no_args_is_help=True)


class Line(msgspec.Struct, frozen=True):
    """An event as it is printed."""

    position: int
    at: datetime
    stream: UUID
    version: int  # 0: motion, which belongs to no stream
    type: str
    actor: UUID | None
    data: dict[str, Any]
    trace: str | None = None  # the id of the request's trace, of what it led to as well


@app.command()
def tail(
    after: Annotated[
        int | None, typer.Option(help="Start after this position; default: at the end.")
    ] = None,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Only these types; * stands for anything.")
    ] = None,
    stream: Annotated[UUID | None, typer.Option(help="Only this stream.")] = None,
    motion: Annotated[bool, typer.Option(help="Cursors and typing as well.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Follow the log: every event as it is stored.

    Examples: [bold]formula events tail --type 'task.*'[/],
    [bold]formula events tail --after 0 --limit 10 --json[/]
    """
    wanted = Wanted(tuple(type_ or ("*",)), stream)
    try:
        asyncio.run(
            _tail(running_settings(), as_user, wanted, after, limit, motion=motion, json=json)
        )
    except KeyboardInterrupt:
        raise typer.Exit from None


@app.command()
def show(stream: UUID, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print a stream: a user, project, task, lock from its first event on.

    Example: [bold]formula events show 0190c6c2-3b6e-7c8f-9a0b-1c2d3e4f5a6b[/]
    """
    asyncio.run(_show(running_settings(), as_user, stream, json=json))


class Wanted(msgspec.Struct, frozen=True):
    types: tuple[str, ...]
    stream: UUID | None

    def takes(self, recorded: Recorded[Event]) -> bool:
        tag = tag_of(type(recorded.event))
        return self.stream in (None, recorded.stream) and any(
            fnmatchcase(tag, pattern) or fnmatchcase(tag.rpartition(".v")[0], pattern)
            for pattern in self.types
        )


async def _tail(
    settings: Settings,
    as_user: str | None,
    wanted: Wanted,
    after: int | None,
    limit: int | None,
    *,
    motion: bool,
    json: bool,
) -> None:
    async with asking(settings, as_user, Action.LOG_READ) as runtime:
        start = await runtime.store.head() if after is None else after
        left = limit
        async for batch in runtime.store.tail(start, motion=motion):
            taken = [recorded for recorded in batch if wanted.takes(recorded)][:left]
            await _print(runtime, taken, json=json)
            left = None if left is None else left - len(taken)
            if left == 0:
                return


async def _show(settings: Settings, as_user: str | None, stream: UUID, *, json: bool) -> None:
    async with asking(settings, as_user, Action.LOG_READ) as runtime:
        events = await runtime.store.read_stream(stream)
        if not events:
            fail(f"there is no stream {stream}")
        await _print(runtime, events, json=json)


async def _print(runtime: Runtime, events: Iterable[Recorded[Event]], *, json: bool) -> None:
    for recorded in events:
        if json:
            print_json(_line(recorded))
        else:
            out.print(await _text(runtime, recorded), soft_wrap=True)


def _line(recorded: Recorded[Event]) -> Line:
    return Line(
        recorded.position,
        recorded.at,
        recorded.stream,
        recorded.version,
        tag_of(type(recorded.event)),
        recorded.meta.actor,
        msgspec.json.decode(event_text(recorded.event)),
        recorded.meta.trace.hex if recorded.meta.trace else None,
    )


async def _text(runtime: Runtime, recorded: Recorded[Event]) -> Text:
    """Position, time, who, what, and the values, shortened."""
    line = _line(recorded)
    values = " ".join(f"{name}={_short(value)}" for name, value in line.data.items())
    return Text.assemble(
        (f"{line.position:>8} ", "dim"),
        (f"{recorded.at:%H:%M:%S} ", "dim"),
        (f"{await actor_name(runtime, line.actor):<16.16} ", "cyan"),
        (f"{line.type.rpartition('.v')[0]:<26} ", "bold"),
        values,
    )


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
