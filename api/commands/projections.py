"""formula projections: how far they are, rebuilds, what they hold back, why a row is as it is."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from api.commands.asking import AsUser, asking, connected
from api.commands.output import JsonFlag, fail, out, print_json, running_settings
from api.commands.progress import progress
from domain.access import Action
from infra.runtime import SYSTEM, Runtime
from projections import generations, upkeep
from projections.builders import Progress
from projections.builders import progress as build_progress
from projections.checking import Check
from projections.checking import check as check_one
from projections.explaining import Change, Explanation
from projections.explaining import explain as explain_row
from projections.generations import RETIRED, SERVING, Generation
from projections.registry import PROJECTIONS

app = typer.Typer(help="Look after the read models.", no_args_is_help=True)

LOOK_S = 0.5

Name = Annotated[str, typer.Argument(metavar="NAME", help="See `formula projections list`.")]


@app.command("list")
def list_all(json: JsonFlag = False, as_user: AsUser = None) -> None:
    """Print every generation of every read model.

    Example: [bold]formula projections list --json[/]
    """
    found = asyncio.run(_generations(as_user))
    if json:
        print_json(found)
        return
    table = Table("read model", "generation", "state", "position", box=None)
    for one in found:
        table.add_row(one.projection, one.schema, one.state, _where(one))
    out.print(table)


def _where(one: Generation) -> str:
    if one.stopped:
        return f"stopped at {one.position:,}"
    return "the group's" if one.state == SERVING else f"{one.position:,} of {one.target:,}"


async def _generations(as_user: str | None) -> list[Generation]:
    async with (
        asking(running_settings(), as_user, Action.PROJECTIONS_READ) as runtime,
        runtime.db.connection() as db,
    ):
        return await generations.generations(db, [one.name for one in PROJECTIONS])


@app.command()
def rebuild(
    name: Name,
    wait: Annotated[bool, typer.Option(help="Stay until it serves.")] = True,
    json: JsonFlag = False,
) -> None:
    """Build a read model anew beside the one that serves, and switch when it has caught up.

    A projector must run. Interrupting this command does not stop the build.

    Example: [bold]formula projections rebuild tasks[/]
    """
    asyncio.run(_ask(name, "rebuild", wait=wait, json=json))


@app.command()
def rollback(
    name: Name,
    wait: Annotated[bool, typer.Option(help="Stay until it serves.")] = True,
    json: JsonFlag = False,
) -> None:
    """Go back to the generation that served before, brought up to date first.

    It is kept for a day. Where it is of another version, that version's code must run.
    """
    asyncio.run(_ask(name, "rollback", wait=wait, json=json))


async def _ask(name: str, what: str, *, wait: bool, json: bool) -> None:
    ask = upkeep.ask_rebuild if what == "rebuild" else upkeep.ask_rollback
    async with connected(running_settings()) as runtime:
        schema = await ask(runtime, SYSTEM, name)
        if wait:
            await _until_serving(runtime, name, schema)
    state = "serving" if wait else "asked"
    if json:
        print_json({"projection": name, "generation": schema, "state": state})
    else:
        out.print(f"{schema} {'serves' if wait else 'is asked for'}")


async def _until_serving(runtime: Runtime, name: str, schema: str) -> None:
    with progress() as note:
        while True:
            async with runtime.db.connection() as db:
                found = await generations.generations(db, [name])
            one = next((one for one in found if one.schema == schema), None)
            if one is None or one.state == RETIRED:
                fail(f"{schema} was given up for a later one: formula projections list")
            note(f"build {schema}", min(one.position, one.target), max(one.target, 1))
            if one.state == SERVING:
                note(f"build {schema}", 1, 1)
                return
            await asyncio.sleep(LOOK_S)


@app.command()
def status(name: Name, json: JsonFlag = False) -> None:
    """Print how far the builds of a read model are, how fast, and how long still."""
    found = asyncio.run(_builds(name))
    for one in found:
        if json:
            print_json(one)
        else:
            left = "" if one.left_s is None else f", {one.left_s:,.0f} s left"
            out.print(
                f"{one.generation}: {one.state}, {one.position:,} of {one.target:,}"
                f" at {one.per_s:,.0f}/s{left}"
            )
    if not found and not json:
        out.print("nothing is being built")


async def _builds(name: str) -> list[Progress]:
    upkeep.named(name)
    async with connected(running_settings()) as runtime, runtime.db.connection() as db:
        found = await generations.generations(db, [name])
        return [
            build_progress(one, (runtime.now() - one.asked_at).total_seconds())
            for one in found
            if one.state not in (SERVING, RETIRED)
        ]


@app.command()
def drop(name: Name, generation: str, json: JsonFlag = False) -> None:
    """Drop a generation that does not serve, before its day is over."""
    asyncio.run(_drop(name, generation))
    if json:
        print_json({"dropped": generation})
    else:
        out.print(f"dropped {generation}")


async def _drop(name: str, schema: str) -> None:
    upkeep.named(name)
    async with connected(running_settings()) as runtime, runtime.db.connection() as db:
        found = await generations.generations(db, [name])
        one = next((one for one in found if one.schema == schema), None)
        if one is None or one.state == SERVING:
            fail(f"{schema} is no generation of {name} that could be dropped")
        if not await generations.drop(db, schema):
            fail(f"{schema} is about to serve: formula projections list")


@app.command()
def verify(name: Name, json: JsonFlag = False) -> None:
    """Build a read model anew in a shadow, and compare it row by row with the one that serves.

    Ends with 1 where a row differs. The result is an event: `formula audit --aggregate upkeep`.

    Example: [bold]formula projections verify tasks[/]
    """
    found = asyncio.run(_verify(name))
    if json:
        print_json(found)
    else:
        out.print(f"{name} at {found.position:,}: {found.rows:,} rows, {found.different:,} differ")
        for one in found.differences:
            out.print(
                f"  {one.table} {one.key}\n    serves  {one.serves}\n    rebuilt {one.rebuilt}"
            )
    if found.different:
        raise typer.Exit(1)


async def _verify(name: str) -> Check:
    async with connected(running_settings()) as runtime:
        with progress() as note:
            return await check_one(runtime, name, note)


@app.command()
def explain(
    name: Name,
    key: Annotated[list[str], typer.Argument(help="The values of the row's key.")],
    table: Annotated[str | None, typer.Option(help="One of its tables; else the first.")] = None,
    as_user: AsUser = None,
    json: JsonFlag = False,
) -> None:
    """Print the events that made a row, each with what it changed.

    Example: [bold]formula projections explain tasks 0190a5d2-9c1e-7d6b-8a51-0d6e4c1b2a3f[/]
    """
    found = asyncio.run(_explain(name, key, table, as_user))
    if json:
        print_json(found)
        return
    if found.earlier:
        out.print(f"{found.earlier:,} earlier events are not shown one by one")
    for change in found.changes:
        out.print(_text(change), soft_wrap=True, markup=False)
    for one in found.left_out:
        out.print(f"{one.position} {one.type}: not in it ({one.why})", markup=False)
    out.print("it is not there any more" if found.row is None else f"now: {found.row}")


async def _explain(
    name: str, key: list[str], table: str | None, as_user: str | None
) -> Explanation:
    async with asking(running_settings(), as_user, Action.PROJECTIONS_EXPLAIN) as runtime:
        return await explain_row(runtime, upkeep.named(name), key, table)


def _text(change: Change) -> str:
    head = f"{change.position} {change.at:%Y-%m-%d %H:%M:%S} {change.type}"
    if change.after is None:
        return f"{head}: gone"
    before = change.before or {}
    return f"{head}: " + ", ".join(
        f"{name} {before[name]!r} -> {value!r}" if name in before else f"{name} = {value!r}"
        for name, value in change.after.items()
    )


@app.command()
def letters(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    json: JsonFlag = False,
) -> None:
    """Print what a read model holds back: events it failed on, and those behind them."""
    for one in asyncio.run(_letters(name, limit)):
        if json:
            print_json(one)
        else:
            why = "waits behind an earlier one" if one.error is None else one.error.splitlines()[-1]
            out.print(f"{one.position} {one.stream} {why}", soft_wrap=True, markup=False)


async def _letters(name: str, limit: int) -> list[upkeep.Letter]:
    async with connected(running_settings()) as runtime, runtime.db.connection() as db:
        return await upkeep.letters(db, upkeep.named(name).name, limit=limit)


@app.command()
def letter(name: Name, position: int, json: JsonFlag = False) -> None:
    """Print one of them, with its traceback."""
    found = asyncio.run(_letter(name, position))
    if json:
        print_json(found)
    else:
        out.print(found.error or "waits behind an earlier one", markup=False, soft_wrap=True)


async def _letter(name: str, position: int) -> upkeep.Letter:
    async with connected(running_settings()) as runtime, runtime.db.connection() as db:
        return await upkeep.letter(db, upkeep.named(name).name, position)


@app.command()
def retry(name: Name, position: int, json: JsonFlag = False) -> None:
    """Try a dead letter again, and those behind it: the code was mended."""
    asyncio.run(_mend(name, position, None, json=json))


@app.command()
def skip(
    name: Name,
    position: int,
    reason: Annotated[str, typer.Option(help="For the audit.")],
    json: JsonFlag = False,
) -> None:
    """Pass over a dead letter for good, in rebuilds as well, and try those behind it."""
    asyncio.run(_mend(name, position, reason, json=json))


async def _mend(name: str, position: int, reason: str | None, *, json: bool) -> None:
    async with connected(running_settings()) as runtime:
        if reason is None:
            await upkeep.ask_retry(runtime, SYSTEM, name, position)
        else:
            await upkeep.ask_skip(runtime, SYSTEM, name, position, reason)
    if json:
        print_json({"projection": name, "position": position, "asked": reason or "retry"})
    else:
        out.print(f"asked for; see what is left: formula projections letters {name}")
