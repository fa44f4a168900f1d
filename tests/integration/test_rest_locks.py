"""Locks over REST: what a project shows of them, and fields that are locked one by one."""

from uuid import UUID, uuid4

import pytest

from domain.lock import LOCK, AcquireLock, lock_stream
from infra.runtime import SYSTEM
from tests.integration.conftest import Api, Person


async def lock(api: Api, project: str, resource: str, who: Person, *, wait: bool = False) -> int:
    command = AcquireLock(
        project=UUID(project),
        resource=resource,
        holder=UUID(who.id),
        participation=uuid4(),
        wait=wait,
        now=api.runtime.now(),
    )
    stream = lock_stream(UUID(project), resource)
    outcome = await api.runtime.execute(SYSTEM, LOCK, stream, command, project=UUID(project))
    who.position = outcome.position or who.position
    return outcome.version


@pytest.fixture
async def boss(api: Api) -> Person:
    return await api.as_("manager")


@pytest.fixture
async def project(boss: Person) -> str:
    return (await boss.do("POST", "/projects", {"name": "P"}))["id"]


async def test_a_projects_locks_are_listed_with_their_queues(
    api: Api, boss: Person, project: str
) -> None:
    token = await lock(api, project, "a", boss)
    await lock(api, project, "b", boss)
    for _ in range(2):
        await lock(api, project, "b", boss, wait=True)
    first = await boss.get(f"/projects/{project}/locks", limit=1)
    [one] = first["items"]
    assert (one["resource"], one["holder"], one["token"]) == ("a", boss.id, token)
    assert one["queue"] == []
    rest = await boss.get(f"/projects/{project}/locks", cursor=first["next"])
    assert [(row["resource"], len(row["queue"])) for row in rest["items"]] == [("b", 2)]
    eve = await api.as_("guest")
    assert await eve.refused("GET", f"/projects/{project}/locks") == "404 project.not_found"


async def test_a_locked_field_of_a_task_keeps_that_field_alone(
    api: Api, boss: Person, project: str
) -> None:
    task = (await boss.do("POST", f"/projects/{project}/tasks", {"title": "T"}))["id"]
    path, named = f"/tasks/{task}", f"task:{task}/title"
    token = await lock(api, project, named, await api.as_("member"))
    refused = await boss("PATCH", path, {"title": "Mine"})
    assert (refused.status_code, refused.json()["code"]) == (423, "lock.held")
    await boss.do("PATCH", path, {"description": "Free"})
    await boss.do("PUT", f"{path}/status", {"status": "done"})
    mine = await lock(api, project, f"task:{task}/description", boss)
    held = {"Lock_Token": f"description={mine}"}
    await boss.do("PATCH", path, {"description": "Mine"}, **held)
    wrong = await boss.refused("PATCH", path, {"title": "Mine"}, Lock_Token=f"title={token}")
    assert wrong == "423 lock.lost"
    bad = await boss.refused("PATCH", path, {"title": "Mine"}, Lock_Token="title")
    assert bad == "400 request.bad_lock_token"
