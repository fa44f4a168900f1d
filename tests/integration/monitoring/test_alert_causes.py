"""Each rule fires because of what it is there for, and is over when that is.

What is really caused is caused; what cannot be on a machine that others use as well (all its
memory, all its cores) is a threshold that the machine is above, and then below.
"""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from api.realtime import protocol
from domain.job_args import QueueName
from domain.project import PROJECT, CreateProject
from domain.queue import QUEUE, DiscardDead, queue_stream
from domain.user import Role
from infra.db import connect
from infra.metrics import Metrics
from infra.monitoring import sampling
from infra.monitoring.machine import Machine, use_of
from infra.monitoring.rules import DEFAULTS
from infra.runtime import SYSTEM, Runtime, open_runtime
from infra.settings import Settings
from tests.conftest import fresh_database, projecting
from tests.databases import Databases
from tests.integration.conftest import Api
from tests.integration.monitoring.watched import comes, events, process, quick, told, watched
from tests.integration.sockets import Live, live_gateway
from tests.integration.test_queue_alarms import insert, job
from tests.workers.office import Office, until, working
from workers.alerting import Alerting
from workers.main import run_scheduler

GIB = 1 << 30


@pytest.fixture
async def read(databases: Databases, read_models: str, tmp_path: Path) -> AsyncIterator[Runtime]:
    """Read models serve, and nobody keeps them up to date."""
    with fresh_database(databases, read_models, tmp_path) as settings:
        async with open_runtime(settings) as runtime:
            yield runtime


@asynccontextmanager
async def child(code: str) -> AsyncGenerator[None]:
    """A process of ours that runs it, until this is over."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"{code}\nprint(flush=True)\nwhile True: pass_()",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout is not None
    await started.stdout.readline()
    try:
        yield
    finally:
        started.kill()
        await started.wait()


SPIN = "def pass_(): pass"


def hold(size: int) -> str:
    return f"import time\nheld = b'x' * {size}\ndef pass_(): time.sleep(1)"


async def is_critical(runtime: Runtime, rule: str) -> None:
    """By now, or in a while: a first sample may be of what was on its way there."""

    async def said() -> bool:
        return "critical" in str(await events(runtime, rule))

    await until(said)


async def over(runtime: Runtime, rule: str) -> None:
    """It was resolved, and there was nothing in its course that should not be."""
    await comes(runtime, rule, "resolved")
    happened = await told(runtime, rule)
    assert [one for one in happened if one in ("fired", "resolved")] == ["fired", "resolved"]
    assert happened[0] == "pending"
    assert happened[-1] == "resolved"


async def test_cpu(read: Runtime, tmp_path: Path) -> None:
    runtime = quick(read, tmp_path, "cpu: recover_at = 0.99", cpu_limit=0.3)
    async with process(runtime), watched(runtime):
        async with child(SPIN):
            await comes(runtime, "cpu", "fired")
        await over(runtime, "cpu")


async def test_memory(read: Runtime, tmp_path: Path) -> None:
    """As much as 0.3 GiB more than there was before, of 10 GiB that it may use."""
    used = use_of(psutil.Process()).memory
    warning, critical = (used + GIB // 5) / (10 * GIB), (used + 3 * GIB // 10) / (10 * GIB)
    changes = f"memory: warning = {warning}; critical = {critical}; recover_at = 0.98"
    runtime = quick(read, tmp_path, changes, memory_limit=10 * GIB)
    async with process(runtime), watched(runtime):
        async with child(hold(GIB // 2)):
            await comes(runtime, "memory", "fired")
            await is_critical(runtime, "memory")
        await over(runtime, "memory")


class Full:
    """A container of 4 cores and 10 GiB, as the kernel tells of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.own = folder, folder / "own"
        self.cores, self._burnt, self._at = 0.0, 0.0, time.monotonic()
        self.own.write_text("0::/\n")
        (folder / "cpu.max").write_text("400000 100000\n")
        (folder / "memory.max").write_text(f"{10 * GIB}\n")
        (folder / "memory.stat").write_text(f"inactive_file {GIB}\nactive_file {GIB}\n")
        self.look()

    def hold(self, share: float) -> None:
        """Beside what is cached of files."""
        (self.folder / "memory.current").write_text(f"{round(share * 10 * GIB) + 2 * GIB}\n")

    def look(self) -> None:
        self._at, last = time.monotonic(), self._at
        self._burnt += self.cores * (self._at - last)
        (self.folder / "cpu.stat").write_text(f"usage_usec {round(self._burnt * 1e6)}\n")

    async def burn(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.01)


async def test_a_container_that_is_full_of_what_each_has_a_share_of(
    read: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three that hold and use 30 % of it each are all within their own bounds."""
    full = Full(tmp_path)
    machine = partial(Machine, root=full.folder, own=full.own)
    monkeypatch.setattr(sampling, "Machine", machine)
    runtime = quick(read, tmp_path, cpu_limit=64.0, memory_limit=1 << 40)
    full.hold(0.95)
    full.cores = 3.8
    async with process(runtime), watched(runtime), asyncio.TaskGroup() as tasks:
        burning = tasks.create_task(full.burn())
        for rule in ("container_cpu", "container_memory"):
            await comes(runtime, rule, "fired")
            await is_critical(runtime, rule)
        assert await told(runtime, "memory") == []
        full.hold(0.5)
        full.cores = 1.0
        for rule in ("container_cpu", "container_memory"):
            await over(runtime, rule)
        burning.cancel()


@pytest.mark.parametrize("rule", ["host_cpu", "host_memory", "disk"])
async def test_the_machine_by_a_limit(read: Runtime, tmp_path: Path, rule: str) -> None:
    low = quick(read, tmp_path, f"{rule}: warning = 0.00001; critical = 0.00001")
    async with process(low), AsyncExitStack() as stack:
        if rule == "host_cpu":
            await stack.enter_async_context(child(SPIN))
        async with watched(low):
            await comes(low, rule, "fired")
        high = quick(read, tmp_path, f"{rule}: warning = 9; critical = 9")
        async with watched(high):
            await over(low, rule)


async def test_a_slow_route(api: Api, tmp_path: Path) -> None:
    runtime = quick(api.runtime, tmp_path)
    otto = await api.as_("operator")
    url = runtime.settings.database_url
    async with process(runtime, api.app.state["counted"]), watched(runtime):
        slow = asyncio.create_task(asking_through_a_lock(otto, url))
        await comes(runtime, "response_time", "fired")
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await over(runtime, "response_time")


async def asking_through_a_lock(otto: Any, url: str) -> None:
    """Somebody locks the table that the answer is read from, again and again."""
    async with await connect(url) as db:
        while True:
            async with db.transaction():
                await db.execute("LOCK TABLE formula_jobs IN ACCESS EXCLUSIVE MODE")
                asked = asyncio.create_task(otto("GET", "/realtime/jobs"))
                await asyncio.sleep(0.7)
            await asked


async def test_a_route_that_fails(api: Api, tmp_path: Path) -> None:
    runtime = quick(api.runtime, tmp_path)
    otto = await api.as_("operator")
    metrics: Metrics = api.app.state["counted"]
    async with (
        await connect(runtime.settings.database_url) as db,
        process(runtime, metrics),
        watched(runtime),
    ):
        asking = asyncio.create_task(asking_again_and_again(otto, []))
        await db.execute("ALTER TABLE formula_jobs RENAME TO formula_away")
        await comes(runtime, "error_rate", "fired")
        await db.execute("ALTER TABLE formula_away RENAME TO formula_jobs")
        await over(runtime, "error_rate")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def asking_again_and_again(otto: Any, answers: list[int]) -> None:
    while True:
        answers.append((await otto("GET", "/realtime/jobs")).status_code)
        await asyncio.sleep(0.05)


async def test_a_loop_that_is_held_up(read: Runtime, tmp_path: Path) -> None:
    runtime = quick(read, tmp_path)
    async with process(runtime), watched(runtime):
        while "fired" not in await told(runtime, "loop_lag"):
            time.sleep(0.6)  # noqa: ASYNC251, that is it
            await asyncio.sleep(0.05)
        await over(runtime, "loop_lag")


@pytest.fixture
async def live(projected: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(protocol, "PING_S", 0.4)
    async with live_gateway(projected) as running:
        yield running


async def test_sockets_that_end_without_a_word(live: Live, tmp_path: Path) -> None:
    runtime = quick(live.runtime, tmp_path, "ws_abnormal_closes: query.least = 3")
    ann = await live.user("ann")
    metrics = Metrics(live.gateway.hub.meters.metrics)
    async with process(runtime, metrics), watched(runtime):
        while "fired" not in await told(runtime, "ws_abnormal_closes"):
            socket = await live.open(ann)
            socket.connection.transport.abort()
            await asyncio.sleep(0.1)
        await over(runtime, "ws_abnormal_closes")


async def test_sockets_that_answer_no_ping(live: Live, tmp_path: Path) -> None:
    runtime = quick(live.runtime, tmp_path, "ws_missed_pings: query.least = 3")
    ann = await live.user("ann")
    metrics = Metrics(live.gateway.hub.meters.metrics)
    async with process(runtime, metrics), watched(runtime):
        while "fired" not in await told(runtime, "ws_missed_pings"):
            socket = await live.open(ann)
            transport: Any = socket.connection.transport
            transport.pause_reading()  # and so hears no ping
            await asyncio.sleep(0.1)
        await over(runtime, "ws_missed_pings")


async def test_readers_of_the_log_that_are_away(read: Runtime, tmp_path: Path) -> None:
    # Above what it is at rest: the jobs' reader writes down where it is once a second.
    runtime = quick(read, tmp_path, "projection_lag: warning = 3; critical = 1000")
    create = CreateProject(name="P", manager=runtime.new_id(), at=runtime.now())
    await runtime.execute(SYSTEM, PROJECT, runtime.new_id(), create)
    async with watched(runtime, servers=True):
        await comes(runtime, "projection_lag", "fired")
        async with projecting(runtime), working(runtime.settings):
            await over(runtime, "projection_lag")


async def test_an_event_that_is_held_back(read: Runtime, tmp_path: Path) -> None:
    """As a projector writes it down; that it does is tests/faults's."""
    runtime = quick(read, tmp_path)
    async with await connect(runtime.settings.database_url) as db, watched(runtime, servers=True):
        await db.execute(
            "INSERT INTO formula_dead_letters (projection, generation, position, stream, error)"
            " SELECT projection, schema, 1, gen_random_uuid(), 'x' FROM formula_generations LIMIT 1"
        )
        await comes(runtime, "dead_letters", "fired")
        await db.execute("DELETE FROM formula_dead_letters")
        await over(runtime, "dead_letters")


async def test_connections_to_postgres(read: Runtime, tmp_path: Path) -> None:
    async with await connect(read.settings.database_url) as db:
        share = float((await one(db, SHARE))[0])
        most = int((await one(db, "SHOW max_connections"))[0])
        limit = share + 12 / most  # others' tests connect as well
        changes = f"postgres_connections: warning = {limit}; critical = 1; recover_at = 1"
        runtime = quick(read, tmp_path, changes)
        async with watched(runtime, servers=True):
            async with AsyncExitStack() as opened:
                for _ in range(24):
                    await opened.enter_async_context(await connect(read.settings.database_url))
                await comes(runtime, "postgres_connections", "fired")
            await over(runtime, "postgres_connections")


SHARE = """
SELECT count(*) / current_setting('max_connections')::float8 FROM pg_stat_activity
WHERE backend_type = 'client backend'
"""


async def one(db: psycopg.AsyncConnection[Any], query: str) -> Any:
    return await (await db.execute(query.encode())).fetchone()


async def test_a_job_that_dies(projected: Runtime, tmp_path: Path) -> None:
    runtime = quick(projected, tmp_path)
    async with working(runtime.settings), watched(runtime, servers=True):
        await insert(runtime, job("nobody can read its arguments"))
        await comes(runtime, "dead_jobs", "fired")
        discard = DiscardDead(queue=QueueName.EMAIL, reason="a test")
        await runtime.execute(SYSTEM, QUEUE, queue_stream(QueueName.EMAIL), discard)
        await over(runtime, "dead_jobs")


async def test_a_queue_that_nobody_serves(projected: Runtime, tmp_path: Path) -> None:
    runtime = quick(projected, tmp_path, "late_queue: warning = 1; critical = 1000")
    async with watched(runtime, servers=True):
        await insert(runtime, job("waits"))
        await comes(runtime, "late_queue", "fired")
        async with working(runtime.settings):
            await over(runtime, "late_queue")


GONE = {
    "api_silent": "api",
    "projector_silent": "projector",
    "worker_silent": "worker",
    "scheduler_silent": "scheduler",
}


@pytest.mark.parametrize("rule", GONE)
async def test_processes_that_are_gone(read: Runtime, tmp_path: Path, rule: str) -> None:
    runtime = quick(read, tmp_path)
    async with watched(runtime):
        await comes(runtime, rule, "fired")
        async with process(runtime, role=GONE[rule]):
            await over(runtime, rule)


async def test_rules_that_nobody_looks_at(projected: Runtime, tmp_path: Path) -> None:
    """The worker that leads tells, by mail as well; of a scheduler that is gone likewise."""
    runtime = quick(projected, tmp_path, "alerts_late: critical = 2")
    otto = await Office(runtime).person("Otto", Role.OPERATOR)
    async with working(runtime.settings):
        for rule in ("alerts_late", "scheduler_silent"):
            await comes(runtime, rule, "fired")
        [mail, *_] = await Office(runtime).ended("mail_notice")
        assert mail.args["user"] == str(otto)
        async with scheduling(runtime.settings):
            for rule in ("alerts_late", "scheduler_silent"):
                await over(runtime, rule)


async def test_a_scheduler_whose_look_at_the_rules_hangs(
    projected: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else of it goes on, its samples among that."""
    runtime = quick(projected, tmp_path, "alerts_late: critical = 2")
    goes_on, look = asyncio.Event(), Alerting.__call__

    async def hanging(self: Alerting, now: float) -> None:
        await goes_on.wait()
        await look(self, now)

    monkeypatch.setattr(Alerting, "__call__", hanging)
    async with working(runtime.settings), scheduling(runtime.settings):
        await comes(runtime, "alerts_late", "fired")
        goes_on.set()
        await over(runtime, "alerts_late")


@asynccontextmanager
async def scheduling(settings: Settings) -> AsyncGenerator[None]:
    """A whole scheduler, in this process."""
    async with asyncio.TaskGroup() as tasks:
        scheduler = tasks.create_task(run_scheduler(settings))
        yield
        scheduler.cancel()


def test_no_default_rule_is_left_out() -> None:
    """What has more to do than it takes on is in a file of its own."""
    causes = (Path(__file__), Path(__file__).with_name("test_overload_alert.py"))
    here = "".join(path.read_text() for path in causes)
    assert [rule.name for rule in DEFAULTS if f'"{rule.name}"' not in here] == []
