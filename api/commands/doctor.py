"""formula doctor: is this installation right, and which setting came from where."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import psycopg
import typer
from rich.markup import escape
from rich.table import Table

from api.commands.checks import Check, of_machine, of_mail, of_services
from api.commands.failures import said
from api.commands.output import JsonFlag, out, print_json
from infra.instance import NotRunning, with_instance
from infra.runtime import conninfo_ok, open_runtime
from infra.settings import Setting, Settings, SettingsError, explain, load_settings

MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]", "skip": "[dim]-[/]"}


class Report(msgspec.Struct, frozen=True):
    ok: bool
    checks: list[Check]
    settings: list[Setting]  # secrets are masked


def doctor(json: JsonFlag = False) -> None:
    """Check this installation and print every setting with where it came from.

    Exit code 1 when a check fails.

    Example: [bold]formula doctor --json | jq '.checks[] | select(.state != "ok")'[/]
    """
    settings = load_settings()
    checks = asyncio.run(_checks(settings))
    ok = all(check.state != "fail" for check in checks)
    report = Report(ok, checks, explain(settings))
    if json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if ok else 1)


async def _checks(settings: Settings) -> list[Check]:
    found = [*of_machine(settings), await of_mail(settings)]
    async for check in _of_running(settings):
        found.append(check)  # noqa: PERF401, extend takes no async iterator
    return found


async def _of_running(settings: Settings) -> AsyncIterator[Check]:
    try:
        found = with_instance(settings)
    except NotRunning as error:
        yield Check("servers", "skip", str(error))
        return
    try:
        await conninfo_ok(found.database_url)
    except psycopg.OperationalError as error:
        yield Check("Postgres", "fail", f"{said(error)}: check DATABASE_URL")
        return
    try:
        async with open_runtime(found) as runtime:
            async for check in of_services(runtime):
                yield check
    except SettingsError as error:
        yield Check("settings", "fail", str(error))


def _show(report: Report) -> None:
    checks = Table(box=None, padding=(0, 1), show_header=False)
    for check in report.checks:
        checks.add_row(MARKS[check.state], check.name, escape(check.detail))
    out.print(checks)
    settings = Table(box=None, padding=(0, 1), title="Settings", title_justify="left")
    settings.add_column("Variable", no_wrap=True)
    for title in ("Value", "From", "About"):
        settings.add_column(title)
    for one in report.settings:
        given = one.source != "default"
        source = f"{one.source}, default {one.default or 'empty'}" if given else one.source
        cells = (one.name, one.value, source, one.about)
        settings.add_row(*map(escape, cells), style="bold" if given else "dim")
    out.print(settings)
