"""formula up: everything on this machine, in the order of its needs, until Ctrl-C."""

import asyncio
import os
import pwd
import signal
import sys
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import msgspec
import typer
from psycopg.conninfo import make_conninfo
from rich.table import Table

from api.client.client import Client
from api.client.errors import NotConnected
from api.commands.output import out
from api.listening import listen
from api.seed import PASSWORD, keep_strangers_out, reached_by, seed, wanted
from api.seed_data import PEOPLE
from infra.db import connect
from infra.embedded import prepare_postgres, prepare_valkey
from infra.folder import hold_folder, kept_password
from infra.instance import announced, base_url, with_key, with_secret
from infra.log import configure_logging
from infra.monitoring.rules import load_rules
from infra.nodes import supervised
from infra.processes import ProcessSpec, log_tail
from infra.runtime import conninfo_ok, open_redis, open_runtime
from infra.settings import Settings, child_environment, load_settings
from infra.signing_keys import make_first
from infra.supervisor import StartFailed, State, Supervisor
from infra.webhooks import hook_of
from migrations.roles import APP, PROJECTOR, let_in
from migrations.runner import migrate

READY_S = 60.0
POLL_S = 0.1
MOST_RESTARTS = 2  # of a process while it starts; then something is wrong with it
ROLES = {
    "projector": ("projections.main",),
    "worker": ("workers.main", "worker"),
    "scheduler": ("workers.main", "scheduler"),
}


def up(
    port: Annotated[int | None, typer.Option(help="Port of REST and WebSocket.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the embedded servers, logs and mails.")
    ] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Seed and simulate a demo workspace.")
    ] = None,
) -> None:
    """Start everything and stay until Ctrl-C.

    Postgres and Valkey are embedded unless DATABASE_URL and REDIS_URL say where they are.

    Example: [bold]formula up --port 8080 --data /srv/formula --no-demo[/]
    """
    given = load_settings()
    settings = _given(given, port, data, demo=_demo_asked(given, demo))
    shown = msgspec.structs.replace(settings, log_format="pretty", log_level="warning")
    configure_logging(shown, "supervisor")
    listen(settings).close()  # what is wrong here is said before anything is started
    load_rules(settings)
    hook_of(settings)
    with hold_folder(settings.data):
        asyncio.run(_until_told(_run(settings)))


def _demo_asked(settings: Settings, flag: bool | None) -> bool:
    """Where others reach it the flag alone asks for it: by default it would let them all in."""
    if flag is not None or not settings.formula_demo:
        return bool(flag)
    setting = reached_by(settings)
    if setting:
        out.print(
            f"No demo workspace: {setting} lets others in, and all know its password."
            " --demo makes it still."
        )
    return not setting


def _given(settings: Settings, port: int | None, data: Path | None, *, demo: bool) -> Settings:
    folder = data.resolve() if data is not None else settings.data
    port = port or settings.port
    elsewhere = port != Settings().port and settings.public_url == Settings().public_url
    return msgspec.structs.replace(
        settings,
        port=port,
        formula_data=str(folder),
        formula_demo=demo,
        public_url=f"http://localhost:{port}" if elsewhere else settings.public_url,
    )


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGINT or SIGTERM; another one while stopping changes nothing."""
    task = asyncio.ensure_future(work)
    told = asyncio.Event()

    def stop() -> None:
        if not told.is_set():
            told.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def _run(settings: Settings) -> None:
    async with Supervisor() as supervisor:
        try:
            ours = not settings.database_url
            given = settings.jwt_secret
            settings = with_key(with_secret(await _servers(supervisor, settings)))
            if not given:
                await _keys(settings)
            if not settings.formula_demo and reached_by(settings):
                async with open_runtime(settings) as runtime:
                    await keep_strangers_out(runtime)
            with announced(settings):
                async with Client(base_url(settings)) as client:
                    app, others = settings, settings
                    if ours:
                        app, others = await asyncio.to_thread(_logins, settings)
                    await _processes(supervisor, app, others, client)
                    await _demo(supervisor, settings)
                    _welcome(settings)
                    async with supervised(others.database_url, supervisor):
                        await asyncio.Event().wait()
        finally:
            with step("Stopped"):
                await supervisor.stop()


async def _servers(supervisor: Supervisor, settings: Settings) -> Settings:
    """With the addresses of servers that answer, the database up to date."""
    if not settings.database_url:
        with step("Postgres"):
            postgres = await asyncio.to_thread(prepare_postgres, settings.data)
            await supervisor.start(postgres.spec)
            settings = msgspec.structs.replace(settings, database_url=postgres.url)
    if not settings.redis_url:
        with step("Valkey"):
            valkey = await asyncio.to_thread(prepare_valkey, settings.data)
            await supervisor.start(valkey.spec)
            settings = msgspec.structs.replace(settings, redis_url=valkey.url)
    with step("Database is up to date"):
        await conninfo_ok(settings.database_url)
        await asyncio.to_thread(migrate, settings.database_url)
        async with open_redis(settings) as redis:
            await redis.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped in redis
    return settings


async def _keys(settings: Settings) -> None:
    """Who has named no secret gets a key pair; a named one signs until `formula keys rotate`."""
    async with await connect(settings.database_url) as db:
        await make_first(db, settings.jwt_secret)


async def _processes(
    supervisor: Supervisor, app: Settings, others: Settings, client: Client
) -> None:
    """The API stops first and the servers last: each needs those that stop after it."""
    servers = tuple(state.name for state in supervisor.state())
    roles = [_child(others, name, *arguments, needs=servers) for name, arguments in ROLES.items()]
    api = _child(app, "api", "api.main", needs=(*servers, *ROLES), ready=partial(_answers, client))
    with step("Processes: api, projector, worker, scheduler"):
        await supervisor.start(*roles, api)
        await _all_ready(supervisor, client, {spec.name: spec for spec in (*roles, api)})


def _logins(settings: Settings) -> tuple[Settings, Settings]:
    """The settings of the API, and those of the others: each user may no more than it needs."""
    return _as(settings, APP), _as(settings, PROJECTOR)


def _as(settings: Settings, role: str) -> Settings:
    password = kept_password(settings.data / f"{role}.password", pwd.getpwuid(os.geteuid()))
    let_in(settings.database_url, role, password)
    url = make_conninfo(settings.database_url, user=role, password=password)
    return msgspec.structs.replace(settings, database_url=url)


def _child(settings: Settings, name: str, *arguments: str, **more: object) -> ProcessSpec:
    spec = ProcessSpec(
        name=name,
        argv=(sys.executable, "-m", *arguments),
        env=child_environment(settings),
        cwd=Path.cwd(),
        log_file=settings.data / "logs" / f"{name}.log",
    )
    return msgspec.structs.replace(spec, **more)


async def _answers(client: Client) -> bool:
    try:
        await client.missing()
    except NotConnected:
        return False
    return True


async def _all_ready(supervisor: Supervisor, client: Client, specs: dict[str, ProcessSpec]) -> None:
    """Return once /readyz says so. Raises StartFailed with what a failing process wrote."""
    late = monotonic() + READY_S
    while missing := await client.missing():
        for state in supervisor.state():
            if state.restarts >= MOST_RESTARTS and state.state is not State.READY:
                tail = log_tail(specs[state.name].log_file, 0)
                raise StartFailed(f"{state.name} does not start\n{tail}")
        if monotonic() > late:
            raise StartFailed(f"not ready within {READY_S:g} s: {', '.join(missing)}")
        await asyncio.sleep(POLL_S)


async def _demo(supervisor: Supervisor, settings: Settings) -> None:
    if not settings.formula_demo:
        return
    async with open_runtime(settings) as runtime:
        if await wanted(runtime):
            with step("Demo workspace"):
                await seed(runtime)
    with step("Demo people"):
        await supervisor.start(_child(settings, "demo", "api.demo", needs=("api",)))


def _welcome(settings: Settings) -> None:
    url = base_url(settings)
    out.print(f"\n[bold]Formula is running at {url}[/]: open it in a browser")
    out.print(f"REST is described at {url}/schema/openapi.json")
    if settings.formula_demo:
        out.print(f"\nSign in with any of these and the password [bold]{PASSWORD}[/]:")
        out.print(_accounts())
    out.print(
        "Try next, in another terminal:\n"
        "  [bold]formula tour[/]          see what it does, step by step\n"
        "  [bold]formula events tail[/]   watch the log\n"
        "  [bold]formula doctor[/]        check this installation\n"
        f"Logs and mails: {settings.data}/logs, {settings.mailbox}\n"
        "Ctrl-C stops everything; the data stays.\n"
    )


def _accounts() -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in ("E-mail", "Name", "Role"):
        table.add_column(title)
    for person in PEOPLE:
        if person.department != "Tour":
            table.add_row(person.email, person.full_name, person.role.value)
    return table


@contextmanager
def step(name: str) -> Generator[None]:
    """One line for a step that is done, with the time it took."""
    started = monotonic()
    with out.status(f"{name} …") if out.is_terminal else nullcontext():
        yield
    out.print(f"[green]✓[/] {name} [dim]{monotonic() - started:.1f} s[/]")
