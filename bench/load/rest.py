"""REST as its clients use it, beside Litestar alone: routes by turns, on servers that stay up."""

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count, cycle
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from uuid import UUID

import msgspec
import psutil
import uvloop

from bench.child import Sample, answer, given
from bench.load.cpu import Spent
from bench.load.file_server import FileServer, made
from bench.load.lag import until_ready
from bench.load.loops import Window
from bench.load.open import due
from bench.load.requests import Measured, asked, request
from bench.load.served import new_project, register_user, started, token, unlimited, until_answering
from bench.peers.litestar_app import PATH
from domain.task import TASK, CreateTask
from infra.folder import free_port
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings, child_environment

BARE = "bare"
PROJECTS, TASKS, FILES = 10, 100, 2  # tasks and files of each project
FILE_SIZE = 10_000  # bytes
NEVER_REACHED = 1_000_000_000  # requests: the limit is counted, as everywhere, and is none
GROUPS = ("live", "queries")


class Rest(msgspec.Struct, frozen=True):
    settings: Settings
    callers: int  # connections, each of somebody else
    window: Window


class Team(msgspec.Struct, frozen=True):
    """A project and what is in it; its people's tokens."""

    project: UUID
    tokens: Sequence[str]
    tasks: Sequence[UUID]


class Backend(msgspec.Struct, frozen=True):
    """What API processes have in common."""

    settings: Settings
    projector: psutil.Process
    teams: Sequence[Team]


class Side(msgspec.Struct, frozen=True):
    """A server, and what each caller asks it, by route."""

    port: int
    process: psutil.Process
    routes: Mapping[str, Sequence[Iterator[bytes]]]


def run(load: Rest) -> Sample:
    """By route: `<route> per_s`, `p50`, `p99` (ms), and `cpu` (µs of the API process a request);
    `due p50` …: ms since it was due, of Formula's at half the rate.
    """
    with ExitStack() as stack:
        backend = prepared(load.settings, load.callers, stack)
        formula, bare = api(backend, stack), _bare(load.callers, stack)
        return uvloop.run(_measured(formula, bare, load.window))


async def _measured(formula: Side, bare: Side, window: Window) -> Sample:
    """What is beside a route is beside it in time too."""
    found: dict[str, list[Measured]] = {}
    for route in formula.routes:
        found[route] = [await _also_open(formula, route, window)]
        found.setdefault(BARE, []).append(await measured(bare, BARE, window))
    values = {
        f"{route} {metric}": median(one.values[metric] for one in rounds)
        for route, rounds in found.items()
        for metric in rounds[0].values
    }
    failed = [one for rounds in found.values() for one in rounds if one.errors]
    return Sample(
        values, sum(one.errors for one in failed), next((one.error for one in failed), "")
    )


async def _also_open(side: Side, route: str, window: Window) -> Measured:
    """Closed, for how much there is of it, and then open, for how late it is."""
    found = await measured(side, route, window)
    rate, people = max(1, round(found.values["per_s"] / 2)), side.routes[route]
    asks = (next(one) for one in cycle(people))
    values, tally = await due(side.port, asks, rate, len(people), window)
    if failed := values["failed"]:
        tally.failed(ConnectionError(f"{failed:.2g} % of half the rate got no good answer"))
    late = {
        f"due {name.removeprefix('asked ')}": value
        for name, value in values.items()
        if name.startswith("asked ")
    }
    return msgspec.structs.replace(
        found,
        values=found.values | late,
        errors=found.errors + tally.errors,
        error=found.error or tally.error,
    )


async def measured(side: Side, route: str, window: Window) -> Measured:
    """With `cpu`: µs of the server a request."""
    spent = Spent({"api": side.process})
    found = await asked(side.port, side.routes[route], window)
    cpu = 1e6 * spent.seconds()["api"] / max(found.answers, 1)
    return msgspec.structs.replace(found, values={**found.values, "cpu": cpu})


def _bare(callers: int, stack: ExitStack) -> Side:
    port = free_port()
    env = child_environment(unlimited(Settings(), port))
    process = started(stack, (sys.executable, "-m", "bench.peers.litestar_app"), env)
    until_answering(port)
    ask = request("GET", PATH, {})
    return Side(port, process, {BARE: [cycle([ask]) for _ in range(callers)]})


def prepared(
    settings: Settings, callers: int, stack: ExitStack, projects: int = PROJECTS
) -> Backend:
    """What is there to be asked for, and the projector; servers come and go beside it."""
    own = msgspec.structs.replace(
        unlimited(settings, free_port()), rate_limit_user_max_requests=NEVER_REACHED
    )
    groups = [word for group in GROUPS for word in ("--group", group)]
    projector = started(
        stack, (sys.executable, "-m", "projections.main", *groups), child_environment(own)
    )
    return Backend(own, projector, asyncio.run(_teams(own, callers, projects)))


def api(backend: Backend, stack: ExitStack, program: str = "api.main") -> Side:
    port = free_port()
    settings = msgspec.structs.replace(backend.settings, port=port)
    process = started(stack, (sys.executable, "-m", program), child_environment(settings))
    until_answering(port)
    files = {team.project: _sent(port, process.pid, team) for team in backend.teams}
    return Side(port, process, _routes(backend.teams, files))


async def _teams(settings: Settings, callers: int, projects: int) -> list[Team]:
    async with open_runtime(settings) as runtime:
        teams = [await _team(runtime, max(1, callers // projects)) for _ in range(projects)]
        await until_ready(runtime, GROUPS)
        return teams


async def _team(runtime: Runtime, people: int) -> Team:
    users = [runtime.new_id() for _ in range(people)]
    await asyncio.gather(*(register_user(runtime, user) for user in users))
    project = UUID((await new_project(runtime, users)).removeprefix("project:"))
    tasks = [runtime.new_id() for _ in range(TASKS)]
    create = CreateTask(project=project, title="Draw the landing page", at=runtime.now())
    await asyncio.gather(
        *(runtime.execute(SYSTEM, TASK, task, create, project=project) for task in tasks)
    )
    return Team(project, [token(runtime, user) for user in users], tasks)


def _sent(port: int, pid: int, team: Team) -> list[str]:
    """The ids of its files, which are in the cache from here on."""
    server = FileServer(port, pid, str(team.project), _headers(team.tokens[0]))
    with TemporaryDirectory() as folder:
        path = made(Path(folder) / "a.jpg", FILE_SIZE)
        files = [server.send(path) for _ in range(FILES)]
    for file in files:
        server.metadata(file)
    return files


def _headers(signed: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {signed}"}


def _routes(
    teams: Sequence[Team], files: Mapping[UUID, Sequence[str]]
) -> dict[str, list[Iterator[bytes]]]:
    """Everybody asks for what is in their project; nobody changes what another one changes."""
    routes: dict[str, list[Iterator[bytes]]] = {}
    for team in teams:
        people = len(team.tokens)
        for number, signed in enumerate(team.tokens):
            headers, own = _headers(signed), team.tasks[number::people]
            paths = {
                "livez": ["/livez"],
                "task": [f"/api/v1/tasks/{task}" for task in own],
                "tasks": [f"/api/v1/tasks?project={team.project}&limit=20"],
                "metadata": [
                    f"/api/v1/realtime/files/{file}/metadata" for file in files[team.project]
                ],
            }
            for name, wanted in paths.items():
                asks = [request("GET", path, headers) for path in wanted]
                routes.setdefault(name, []).append(cycle(asks))
            routes.setdefault("change", []).append(_changes(own, headers))
    return routes


def _changes(tasks: Sequence[UUID], headers: Mapping[str, str]) -> Iterator[bytes]:
    for number, task in zip(count(), cycle(tasks), strict=False):
        yield request("PATCH", f"/api/v1/tasks/{task}", headers, b'{"title":"Page %d"}' % number)


if __name__ == "__main__":
    answer(run(given(Rest)))
