"""formula jobs: what workers do, did and will do, and how the queues are."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
import typer
from rich.live import Live
from rich.text import Text

from api.commands.asking import AsUser, asking, caller, connected
from api.commands.output import JsonFlag, columns, out, print_json, running_settings
from api.job_rights import see, whose
from api.rights import Caller
from domain.access import Action
from infra.jobs import reading as rows
from infra.jobs.board import QueueNow, look
from infra.jobs.model import OVER, JobState
from infra.jobs.reading import Filter, JobRow, Line
from infra.jobs.schedules import ScheduleRow
from infra.jobs.schedules import schedules as list_schedules
from infra.runtime import Runtime

app = typer.Typer(help="Look after jobs and queues.", no_args_is_help=True)

LOOK_S = 0.5
MOST_LINES = 1_000

JobId = Annotated[UUID, typer.Argument(metavar="JOB", help="See `formula jobs list`.")]


@asynccontextmanager
async def somebody(email: str | None) -> AsyncGenerator[tuple[Runtime, Caller | None]]:
    """A runtime, and who asks: the user of --as, or nobody, who may do all."""
    async with connected(running_settings()) as runtime:
        yield runtime, await caller(runtime, email) if email else None


@app.command("list")
def list_all(
    queue: Annotated[str | None, typer.Option(help="Of this queue.")] = None,
    name: Annotated[str | None, typer.Option(help="Of this type.")] = None,
    state: Annotated[JobState | None, typer.Option(help="That are so.")] = None,
    batch: Annotated[UUID | None, typer.Option(help="Of this batch.")] = None,
    owner: Annotated[UUID | None, typer.Option(help="That this user asked for.")] = None,
    search: Annotated[str, typer.Option(help="Part of arguments, key or error.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print jobs, newest first.

    Example: [bold]formula jobs list --state dead --queue email[/]
    """
    which = Filter(queue=queue, name=name, state=state, owner=owner, batch=batch, text=search)
    found = asyncio.run(_list(as_user, which, limit))
    if json:
        for one in found:
            print_json(one)
        return
    lines = [("JOB", "QUEUE", "TYPE", "STATE", "TRIES", "MADE", "ERROR")]
    for one in found:
        error = (one.error or "").partition("\n")[0]
        tries = f"{one.attempts}/{one.max_attempts}"
        lines.append(
            (str(one.id), one.queue, one.name, _state(one), tries, _at(one.made_at), error)
        )
    out.print(columns(lines), soft_wrap=True)


async def _list(as_user: str | None, which: Filter, limit: int) -> list[JobRow]:
    async with somebody(as_user) as (runtime, who), runtime.db.connection() as db:
        narrowed = msgspec.structs.replace(which, owner=whose(who, which.owner))
        return await rows.list_jobs(db, narrowed, limit=limit)


@app.command()
def show(job: JobId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print all there is to know of a job."""
    found = asyncio.run(_show(as_user, job))
    if json:
        print_json(found)
        return
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    shown = {
        name: _at(value) if isinstance(value, datetime) else str(value)
        for name, value in fields.items()
        if value is not None
    }
    out.print(columns(list(shown.items())), soft_wrap=True)


async def _show(as_user: str | None, job: UUID) -> JobRow:
    async with somebody(as_user) as (runtime, who), runtime.db.connection() as db:
        return await see(db, who, job)


@app.command("log")
def show_log(job: JobId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print what a job said, and how its attempts failed."""
    asyncio.run(_log(as_user, job, _printer(json=json)))


async def _log(as_user: str | None, job: UUID, tell: Callable[[Line], None]) -> None:
    async with somebody(as_user) as (runtime, who):
        async with runtime.db.connection() as db:
            await see(db, who, job)
        await _lines(runtime, job, 0, tell)


async def _lines(runtime: Runtime, job: UUID, after: int, tell: Callable[[Line], None]) -> int:
    """All after that one; the last one's id."""
    while True:
        async with runtime.db.connection() as db:
            found = await rows.lines(db, job, after, MOST_LINES)
        for line in found:
            tell(line)
        after = found[-1].id if found else after
        if len(found) < MOST_LINES:
            return after


def _printer(*, json: bool) -> Callable[[Line], None]:
    def tell(line: Line) -> None:
        if json:
            print_json(line)
        else:
            text = f"{_at(line.at)} {line.attempt} {line.level:<5} {line.line}"
            out.print(text, soft_wrap=True, markup=False)

    return tell


@app.command()
def watch(job: JobId, as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Follow a job until it is over: its log, how far it is, how it ends.

    Ends with 1 unless it is done.

    Example: [bold]formula jobs watch 0190c6c2-3b6e-7c8f-9a0b-1c2d3e4f5a6b[/]
    """
    try:
        ended = asyncio.run(_watch(as_user, job, json=json))
    except KeyboardInterrupt:
        raise typer.Exit from None
    if json:
        print_json(ended)
    else:
        why = f": {ended.error}" if ended.error else ""
        out.print(f"{ended.state}{why}", soft_wrap=True, markup=False)
    if ended.state != JobState.DONE:
        raise typer.Exit(1)


async def _watch(as_user: str | None, job: UUID, *, json: bool) -> JobRow:
    tell, last, told = _printer(json=json), 0, ""
    async with somebody(as_user) as (runtime, who):
        while True:
            async with runtime.db.connection() as db:
                one = await see(db, who, job)
            last = await _lines(runtime, job, last, tell)
            if one.state in OVER:
                return one
            if _state(one) != told and not json:
                told = _state(one)
                out.print(told)
            await asyncio.sleep(LOOK_S)


@app.command()
def stats(
    follow: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print how each queue does: what waits, runs and died, who works, how long it takes.

    Example: [bold]formula jobs stats --watch[/]
    """
    try:
        asyncio.run(_stats(as_user, follow=follow, json=json))
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _stats(as_user: str | None, *, follow: bool, json: bool) -> None:
    async with asking(running_settings(), as_user, Action.JOBS_READ) as runtime:
        if json:
            while True:
                for one in await look(runtime):
                    print_json(one)
                if not follow:
                    return
                await asyncio.sleep(LOOK_S)
        if not follow:
            out.print(_queues(await look(runtime)), soft_wrap=True)
            return
        with Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_queues(await look(runtime)), refresh=True)
                await asyncio.sleep(LOOK_S)


def _queues(found: list[QueueNow]) -> Text:
    counted = "WAITING", "DELAYED", "BLOCKED", "ACTIVE", "DEAD", "DONE/MIN"
    lines: list[tuple[str, ...]] = [
        ("QUEUE", "WORKERS", *counted, "OLDEST", "WAIT P99", "RUN P99", "")
    ]
    for one in found:
        counts = one.waiting, one.delayed, one.blocked, one.active, one.dead, one.done_last_minute
        lines.append(
            (
                one.queue,
                f"{one.workers} × {one.concurrency}",
                *(f"{count:,}" for count in counts),
                f"{one.oldest_s:,.0f} s",
                _ms(one.wait_p99_ms),
                _ms(one.run_p99_ms),
                f"paused {one.pause_reason}" if one.paused_at else "",
            )
        )
    return columns(lines)


@app.command()
def schedules(as_user: AsUser = None, json: JsonFlag = False) -> None:
    """Print what runs by the clock, when it ran last and when it will."""
    found = asyncio.run(_schedules(as_user))
    if json:
        for one in found:
            print_json(one)
        return
    lines = [("SCHEDULE", "WHEN", "ZONE", "MISSED", "LAST", "NEXT")]
    for one in found:
        when = one.cron or f"every {one.every_s} s"
        coming = ", ".join(map(_at, one.next))
        last = _at(one.last_tick) if one.last_tick else "-"
        lines.append((one.name, when, one.zone, one.missed, last, coming))
    out.print(columns(lines), soft_wrap=True)


async def _schedules(as_user: str | None) -> list[ScheduleRow]:
    async with asking(running_settings(), as_user, Action.JOBS_READ) as runtime:
        return await list_schedules(runtime)


def _state(one: JobRow) -> str:
    if one.progress is None or one.state in OVER:
        return one.state
    return f"{one.state} {one.progress:.0%}"


def _ms(time: float | None) -> str:
    return "-" if time is None else f"{time:,.0f} ms"


def _at(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}"
