"""formula replay: a project as it was, as it went on from there, and what became different."""

import asyncio
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
import typer
from rich.text import Text

from api.commands.asking import AsUser, actor_name, asking
from api.commands.output import JsonFlag, out, print_json, running_settings
from domain.access import Action
from domain.errors import Invalid
from infra.runtime import Runtime
from infra.settings import Settings
from projections.replay.moments import Wanted, moment
from projections.replay.room import Change, Room, difference, room_at, span
from projections.replay.session import FASTEST, SLOWEST, Pace, Played, session

MOST_TEXT = 60  # characters of one value in a line for people
MOST_TASKS = 20  # lines for people; --json has them all


class Act(Protocol):
    """What the command does, once it may."""

    async def __call__(self, runtime: Runtime, asked: "Asked", *, json: bool) -> None: ...


class Asked(msgspec.Struct, frozen=True):
    """Which project, and which moment or moments of it."""

    project: UUID
    at: Wanted
    start: Wanted
    to: Wanted
    speed: float


def replay(
    project: UUID,
    at: Annotated[str | None, typer.Option(help="A position or a time; default: now.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Play what happened from this moment on.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Up to this one; default: now.")] = None,
    speed: Annotated[
        float, typer.Option(min=SLOWEST, max=FASTEST, help="2 is twice as fast as it was.")
    ] = 1.0,
    diff: Annotated[
        bool, typer.Option("--diff", help="What is different between --from and --to.")
    ] = False,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Show a project as it was, play what happened, or tell what became different.

    Examples: [bold]formula replay PROJECT --at 2026-01-31T12:00:00Z[/],
    [bold]formula replay PROJECT --from 1200 --to 1900 --speed 10[/],
    [bold]formula replay PROJECT --from 1200 --diff --json[/]
    """
    if diff and start is None:
        raise Invalid("replay.diff_needs_from")
    asked = Asked(project, moment(at), moment(start), moment(to), speed)
    act = _diff if diff else _show if start is None else _play
    try:
        asyncio.run(_replay(running_settings(), as_user, act, asked, json=json))
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _replay(
    settings: Settings, as_user: str | None, act: Act, asked: Asked, *, json: bool
) -> None:
    async with asking(settings, as_user, Action.REPLAY_READ, project=asked.project) as runtime:
        await act(runtime, asked, json=json)


async def _show(runtime: Runtime, asked: Asked, *, json: bool) -> None:
    room = await room_at(runtime, asked.project, asked.at)
    if json:
        print_json(room)
    else:
        out.print(await _room_text(runtime, room), soft_wrap=True)


async def _play(runtime: Runtime, asked: Asked, *, json: bool) -> None:
    first, last = await span(runtime, asked.start, asked.to)
    pace: Pace | None = None
    async for events in session(runtime, asked.project, first.position, last.position):
        for one in events:
            pace = pace or Pace(one.at, asked.speed)
            await asyncio.sleep(pace.due_in_s(one.at))
            if json:
                print_json(one)
            else:
                out.print(await _event_text(runtime, one), soft_wrap=True)


async def _diff(runtime: Runtime, asked: Asked, *, json: bool) -> None:
    for change in (await difference(runtime, asked.project, asked.start, asked.to)).changes:
        if json:
            print_json(change)
        else:
            out.print(_change_text(change), soft_wrap=True)


async def _room_text(runtime: Runtime, room: Room) -> Text:
    when = f"{room.moment.at:%Y-%m-%d %H:%M:%S}" if room.moment.at else ""
    lines = [f"{room.project.name}  {room.project.status}  at {room.moment.position} {when}"]
    for one in room.members:
        name = await actor_name(runtime, one.user_id)
        lines.append(f"  here    {name}  {one.room}  {one.status} {one.location}")
    lines += [
        f"  locked  {lock.resource}  by {await actor_name(runtime, lock.holder)}"
        for lock in room.locks
    ]
    lines += [f"  {one.type:<7} {one.room}  {_short(one.data)}" for one in room.cursors or ()]
    lines += [f"  {room.cursors_gone}"] if room.cursors_gone else []
    lines += [f"  task    {task.status:<12} {task.title}" for task in room.tasks[:MOST_TASKS]]
    more = len(room.tasks) - MOST_TASKS
    lines += [f"  and {more} tasks more: --json has them"] if more > 0 else []
    lines += [f"  text    v{one.version:<11} {one.title}" for one in room.documents[:MOST_TASKS]]
    return Text("\n".join(lines))


async def _event_text(runtime: Runtime, one: Played) -> Text:
    return Text.assemble(
        (f"{one.pos:>8} {one.at:%H:%M:%S} ", "dim"),
        (f"{await actor_name(runtime, one.by):<16.16} ", "cyan"),
        (f"{one.type:<26} ", "bold"),
        _short(one.data),
    )


def _change_text(change: Change) -> Text:
    name = f"{change.table} {' '.join(change.key)}"
    if change.was is None or change.now is None:
        sign, style = ("+", "green") if change.was is None else ("-", "red")
        return Text(f"{sign} {name}", style)
    fields = (
        f"{field}: {_short(_json(was))} -> {_short(_json(change.now[field]))}"
        for field, was in change.was.items()
    )
    return Text(f"~ {name}  {'  '.join(fields)}")


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _short(data: msgspec.Raw) -> str:
    text = bytes(data).decode()
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
