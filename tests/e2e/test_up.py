import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import msgspec
import psutil
import psycopg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from api.client.client import Client
from api.client.errors import Refused
from api.client.frames import read_frame
from api.realtime import protocol as p
from api.seed import PASSWORD, project_id
from api.summary import ProcessServices
from infra.folder import free_port
from infra.instance import find_instance
from infra.nodes import ROLES
from tests.e2e.running import DOWN_S, Formula, formula
from tests.infra.until import until

# One instance for the tests that only look at it: they must meet in one of xdist's workers.
pytestmark = [
    pytest.mark.services,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("formula up"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[Formula]:
    with formula() as one:
        one.up()
        yield one


@pytest.fixture
async def ada(running: Formula) -> AsyncIterator[Client]:
    async with Client(running.url) as client:
        await client.login("ada@demo.formula", PASSWORD)
        yield client


async def test_it_is_ready_when_it_says_so(running: Formula) -> None:
    async with Client(running.url) as client:
        assert await client.missing() == []


def test_no_process_is_more_in_the_database_than_it_needs(running: Formula) -> None:
    instance = find_instance(running.folder)
    assert instance is not None
    with psycopg.connect(instance.database_url) as owner:
        users = owner.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        assert {name for (name,) in users} == {"formula_app", "formula_projector"}


def test_every_process_shows_its_services_and_the_supervisor_its_processes(
    running: Formula,
) -> None:
    shown = running.call("services", "--json")
    assert shown.returncode == 0, shown.stderr
    found = msgspec.json.decode(shown.stdout, type=list[ProcessServices])
    by_role = {one.role: one for one in found if one.status == "ready"}
    assert by_role.keys() == {*ROLES, "supervisor"}
    assert all(one.is_up for process in by_role.values() for one in process.services)
    assert {one.name for one in by_role["supervisor"].services} == {
        *ROLES,
        "postgres",
        "valkey",
        "demo",
    }


async def test_the_demo_workspace_is_there(ada: Client) -> None:
    projects = (await ada.rest.get("/projects")).body["items"]
    tasks = (await ada.rest.get("/tasks", project=project_id("website"))).body["items"]
    assert (len(projects), len(tasks)) == (5, 7)


async def test_the_demo_people_are_at_work(ada: Client) -> None:
    path = f"project:{project_id('website')}"
    async with ada.connect() as live:
        room = await live.join(path)
        seen = await anext(room)
    assert seen.room == path


async def test_an_api_that_is_told_to_stop_sends_its_sockets_away_in_order(
    running: Formula,
) -> None:
    pid = running.pid("api.main")
    assert pid is not None
    url = f"ws{running.url.removeprefix('http')}{p.PATH}"
    said: list[bytes] = []
    async with connect(url, proxy=None) as ours, asyncio.timeout(DOWN_S):
        os.kill(pid, signal.SIGTERM)
        with suppress(ConnectionClosed):
            while True:
                said.append(await ours.recv(decode=False))
    assert isinstance(read_frame(said[-1]), p.Closing)
    assert ours.close_code == p.CloseCode.RESTARTING
    await until(running.is_ready)


def test_the_tour_passes_again_and_again(running: Formula) -> None:
    for _ in range(2):
        done = running.call("tour", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        report = msgspec.json.decode(done.stdout.splitlines()[-1])
        assert report["ok"]
        assert all(step["ok"] and step["ms"] >= 0 for step in report["steps"])
        assert report["latency"]["rate"] == 200
        assert 0 < report["latency"]["p50_ms"] <= report["latency"]["p99_ms"]


def test_the_doctor_finds_nothing_wrong(running: Formula) -> None:
    report = msgspec.json.decode(running.call("doctor", "--json").stdout)
    assert [check for check in report["checks"] if check["state"] == "fail"] == []
    assert "skip" not in {check["state"] for check in report["checks"]}


def test_the_doctor_hides_secrets(running: Formula) -> None:
    secret = "a secret that nobody else may read"
    assert secret not in running.call("doctor", JWT_SECRET=secret).stdout


def test_the_log_can_be_read_from_its_beginning(running: Formula) -> None:
    done = running.call("events", "tail", "--after", "0", "--limit", "50", "--json")
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)
    registered = next(line for line in lines if line["type"] == "user.registered.v1")
    shown = running.call("events", "show", registered["stream"])
    assert "user.registered" in shown.stdout


def test_the_audit_trail_can_be_filtered(running: Formula) -> None:
    done = running.call("audit", "--aggregate", "client", "--json")
    rows = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["client.created.v1"] * 3


def test_a_second_one_on_the_same_folder_is_refused(running: Formula) -> None:
    refused = running.call("up", PORT=str(free_port()))
    assert refused.returncode == 1
    assert "already running" in one_line(refused.stderr)


def test_seeding_a_store_that_is_in_use_is_refused(running: Formula) -> None:
    refused = running.call("seed")
    assert refused.returncode == 1
    assert one_line(refused.stderr).startswith("formula: the store is not empty")


def test_nothing_is_lost_by_seeding_again(running: Formula) -> None:
    done = running.call("seed", "--force", "--json")
    assert msgspec.json.decode(done.stdout)["people"] == 18


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with formula() as one, socket.create_server(("127.0.0.1", one.port)):
        refused = one.call("up")
    assert refused.returncode == 1
    assert "Address already in use" in one_line(refused.stderr)


def test_a_database_that_is_not_there_is_said_in_one_line() -> None:
    with formula() as one:
        url = "postgresql://nobody:secret@127.0.0.1:1/nowhere"
        refused = one.call("up", DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1/0")
    assert refused.returncode == 1
    assert one_line(refused.stderr).startswith("formula: Postgres:")
    assert "secret" not in refused.stderr


def test_a_setting_that_is_malformed_is_named() -> None:
    with formula() as one:
        refused = one.call("up", PORT="many")
    assert refused.returncode == 1
    assert "PORT" in one_line(refused.stderr)


def test_commands_say_when_nothing_runs() -> None:
    with formula() as one:
        refused = one.call("events", "tail")
    assert refused.returncode == 1
    assert "make run" in one_line(refused.stderr)


async def test_without_the_demo_nobody_comes_in_and_a_restart_keeps_everything() -> None:
    with formula() as one:
        one.up("--no-demo")
        async with Client(one.url) as client:
            with pytest.raises(Refused):
                await client.login("grace@demo.formula", PASSWORD)
            assert one.call("seed").returncode == 0
            await client.login("grace@demo.formula", PASSWORD)
            made = await client.rest.post("/projects", {"name": "Kept"})
            processes = one.processes()
            assert len(processes) >= 6
            assert one.down() == 0
            _, alive = psutil.wait_procs(processes, DOWN_S)
            assert alive == []
            refused = one.call("up", PUBLIC_URL="https://formula.example")
            assert refused.returncode == 1
            assert "No demo workspace: PUBLIC_URL=https://formula.example" in refused.stdout
            assert "all know the password of ada@demo.formula, " in refused.stderr
            one.up("--no-demo")
            assert one.pid("api.demo") is None
            kept = await client.rest.get(f"/projects/{made.body['id']}")
        assert kept.body["name"] == "Kept"
        assert one.down() == 0


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line
