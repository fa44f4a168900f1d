"""formula keys: those that sign access tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.table import Table

from api.commands.output import JsonFlag, out, print_json, running_settings
from infra.db import Connection, connect
from infra.keyring import SKEW_S
from infra.settings import Settings, SettingsError
from infra.signing_keys import LEAD_S, Pair, read_pairs, retire, rotate

T = TypeVar("T")

app = typer.Typer(help="Look after the keys that sign access tokens.", no_args_is_help=True)


class Shown(msgspec.Struct, frozen=True):
    """`state`: next, signs, checks (what it signed still holds), over, retired; or unreadable: no
    secret that is known here opens it, so no process holds it."""

    kid: str
    state: str
    created_at: datetime
    signs_from: datetime
    holds_until: datetime | None


@app.command("list")
def list_all(json: JsonFlag = False) -> None:
    """Print all keys, the oldest first. Without any, JWT_SECRET signs.

    Example: [bold]formula keys list --json | jq -r '.[] | select(.state == "signs").kid'[/]
    """
    settings = running_settings()
    shown = asyncio.run(_with(settings, lambda db: _shown(db, settings)))
    if json:
        print_json(shown)
    elif shown:
        out.print(_table(shown))
    else:
        out.print("no keys: JWT_SECRET signs, until `formula keys rotate`")


@app.command("rotate")
def make(json: JsonFlag = False) -> None:
    """Make a key that signs from the next minute on. Nobody is signed out, no node is restarted.

    What the key before signed holds until it is over.
    """
    settings = running_settings()
    kid = asyncio.run(_with(settings, lambda db: rotate(db, _secret(settings))))
    if json:
        print_json({"kid": kid})
    else:
        out.print(f"{kid} signs in {LEAD_S} s")


@app.command("retire")
def end(
    kid: Annotated[str, typer.Argument(help="Of `formula keys list`.")], json: JsonFlag = False
) -> None:
    """End all that a key signed, within seconds: for one that somebody else may have.

    Clients fetch other access tokens by themselves; nobody has to sign in anew.
    """
    settings = running_settings()
    follows = asyncio.run(_with(settings, lambda db: retire(db, _secret(settings), kid)))
    if json:
        print_json({"kid": kid, "follows": follows})
    else:
        out.print(f"{kid} is retired" + (f"; {follows} signs now" if follows else ""))


def _secret(settings: Settings) -> str:
    if not settings.jwt_secret:
        raise SettingsError("JWT_SECRET: is not set, and keys are sealed with it")
    return settings.jwt_secret


async def _with(settings: Settings, work: Callable[[Connection], Awaitable[T]]) -> T:
    async with await connect(settings.database_url, connect_timeout=5) as db:
        return await work(db)


async def _shown(db: Connection, settings: Settings) -> list[Shown]:
    pairs = await read_pairs(db)
    now = (await anext(await db.execute("SELECT clock_timestamp()")))[0]
    secrets = [one for one in (settings.jwt_secret, settings.jwt_secret_old) if one]
    lasts = timedelta(seconds=settings.jwt_access_ttl_s + SKEW_S)
    held = [one for one in pairs if one.retired_at is None and one.open(secrets)]
    ends = {one.kid: after.signs_from + lasts for one, after in pairwise(held)}
    return [
        Shown(
            one.kid,
            _state(one, ends.get(one.kid), now, lasts) if one.open(secrets) else "unreadable",
            one.created_at,
            one.signs_from,
            ends.get(one.kid),
        )
        for one in pairs
    ]


def _state(pair: Pair, until: datetime | None, now: datetime, lasts: timedelta) -> str:
    if pair.retired_at is not None:
        return "retired"
    if pair.signs_from > now:
        return "next"
    if until is None or now < until - lasts:
        return "signs"
    return "checks" if now < until else "over"


def _table(shown: list[Shown]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in ("Key", "State", "Made", "Signs from", "Holds until"):
        table.add_column(title)
    for one in shown:
        until = f"{one.holds_until:%Y-%m-%d %H:%M:%S}" if one.holds_until else ""
        made, begins = f"{one.created_at:%Y-%m-%d %H:%M:%S}", f"{one.signs_from:%Y-%m-%d %H:%M:%S}"
        table.add_row(one.kid, one.state, made, begins, until)
    return table
