"""What the leader measures of the servers, of the log and of the queues."""

from typing import Any
from uuid import uuid4

import httpx
import msgspec

from domain.job_args import QueueName
from infra.db import Connection
from infra.folder import free_port
from infra.metrics import Family, Metric, Metrics
from infra.monitoring.samples import canonical
from infra.monitoring.sampling import shared
from infra.monitoring.servers import ROLE, Servers, postgres, redis
from infra.nodes import Heart
from infra.runtime import Runtime, open_redis
from tests.integration.conftest import Api
from tests.integration.monitoring.given import rows


def values(metrics: list[Metric]) -> dict[str, float]:
    families: list[Family] = Metrics(metrics).read()
    return {
        f"{one.name}{{{canonical(point.labels)}}}": point.value
        for one in families
        for point in one.points
    }


async def test_postgres_tells_of_itself(runtime: Runtime) -> None:
    async with runtime.db.connection() as other, other.transaction():
        await other.execute("SELECT 1")
        found = values(await postgres(runtime))
    assert found["formula_postgres_connections{state=idle_in_transaction}"] >= 1
    assert 0 < found["formula_postgres_connections_share{}"] < 1
    assert found["formula_postgres_longest_transaction_seconds{}"] > 0
    assert found["formula_postgres_bytes{}"] > 1_000_000
    assert found["formula_postgres_wal_bytes_total{}"] > 0
    assert 0 < found["formula_postgres_ping_seconds{}"] < 5
    assert found["formula_postgres_deadlocks_total{}"] == 0


async def test_redis_tells_of_itself_and_its_absence_is_told(runtime: Runtime) -> None:
    found = values(await redis(runtime))
    assert found["formula_redis_up{}"] == 1
    assert found["formula_redis_memory_bytes{}"] > 100_000
    assert found["formula_redis_clients{}"] >= 1
    assert found["formula_redis_commands_total{}"] > 0
    assert values(await redis(without_redis(runtime))) == {"formula_redis_up{}": 0}


async def test_consumers_lag_by_the_age_of_what_they_have_yet_to_read(api: Api) -> None:
    runtime = api.runtime
    boss = await api.as_("manager")
    await boss.do("POST", "/projects", {"name": "P"})
    async with runtime.db.connection() as db:
        await db.execute("INSERT INTO formula_checkpoints (name, position) VALUES ('late', 0)")
    found = values(await postgres(runtime))
    head = await runtime.store.head()
    assert found["formula_projection_lag_positions{group=late}"] == head > 0
    assert found["formula_projection_lag_seconds{group=late}"] > 0
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_checkpoints SET position = %s WHERE name = 'late'", (head,)
        )
    found = values(await postgres(runtime))
    assert found["formula_projection_lag_seconds{group=late}"] == 0
    assert found["formula_store_positions_total{}"] >= head


async def test_each_queue_says_what_is_due(runtime: Runtime) -> None:
    found = values(await postgres(runtime))
    assert {found[f"formula_queue_due{{queue={one.value}}}"] for one in QueueName} == {0}


async def test_a_leader_counts_from_its_first_look_on(runtime: Runtime, db: Connection) -> None:
    measure = Servers(runtime)
    await measure(0.0)
    commits = "formula_postgres_commits_total"
    assert commits not in {row[3] for row in await rows(db, "formula_samples")}
    for _ in range(20):
        await db.execute("SELECT 1")
    await db.execute("SELECT pg_stat_force_next_flush()")
    await measure(0.0)
    written = [row for row in await rows(db, "formula_samples") if row[3] == commits]
    assert [row[2] for row in written] == [ROLE]
    assert 0 < float(str(written[0][5])) < 1_000
    assert "formula_nodes_ready" in {one.name for one in await shared(runtime, [ROLE])}


async def test_scrapers_read_what_processes_without_a_port_have_counted(api: Api) -> None:
    otto = await api.as_("operator")
    await Heart(api.runtime.db, uuid4(), "worker", list, api.runtime.now).beat()
    await Servers(api.runtime)(0.0)
    answer = await scraped(api, otto.token)
    lines = answer.text.splitlines()
    assert 'formula_nodes_ready{role="cluster",of="api"} 0' in lines, "none is ready here"
    assert len([one for one in lines if one == "# TYPE formula_http_seconds histogram"]) == 1
    assert any(one.startswith('formula_http_seconds_count{route="/api/v1') for one in lines)
    assert len(lines) == len(set(lines)), "a series told twice is refused by a scraper"


async def test_without_redis_a_process_still_tells_of_itself(api: Api) -> None:
    otto = await api.as_("operator")
    await Servers(api.runtime)(0.0)
    assert 'role="cluster"' in (await scraped(api, otto.token)).text
    api.app.state["runtime"] = without_redis(api.runtime)
    answer = await scraped(api, otto.token)
    assert "formula_gateway_connections 0" in answer.text.splitlines()
    assert "role=" not in answer.text


def without_redis(runtime: Runtime) -> Runtime:
    nowhere = msgspec.structs.replace(
        runtime.settings, redis_url=f"redis://127.0.0.1:{free_port()}"
    )
    return msgspec.structs.replace(runtime, redis=open_redis(nowhere))


async def scraped(api: Api, token: str) -> httpx.Response:
    headers: dict[str, Any] = {"Authorization": f"Bearer {token}"}
    answer = await api.client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer
