"""/replay: who may look back, at what, and how a session is streamed."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec

from domain.task import TASK, ChangeTask
from infra.runtime import SYSTEM
from tests.integration.conftest import Api, Person


async def told(person: Person, api: Api, **filters: Any) -> list[tuple[str, dict[str, Any]]]:
    """(event, data) of a stream, to its end."""
    answer = await api.client.get(
        "/api/v1/replay",
        params=filters,
        headers={"Authorization": f"Bearer {person.token}"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    found: list[tuple[str, dict[str, Any]]] = []
    for block in answer.text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], msgspec.json.decode(fields["data"])))
    return found


async def test_a_room_is_shown_as_it_was_and_as_it_is(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "Before"}))["id"]
    before = boss.position
    for title in ("One", "Two"):
        await boss.do("POST", f"/projects/{project}/tasks", {"title": title})
    await boss.do("PATCH", f"/projects/{project}", {"name": "After"})
    then = await boss.get("/replay", project=project, at=before)
    assert (then["project"]["name"], then["tasks"]["items"]) == ("Before", [])
    assert [member["user_id"] for member in then["team"]] == [boss.id]
    assert (then["members"], then["locks"], then["cursors"]) == ([], [], [])
    at_its_time = await boss.get("/replay", project=project, at=then["moment"]["at"])
    assert at_its_time["project"] == then["project"]
    first = await boss.get("/replay", project=project, limit=1)
    assert first["project"]["name"] == "After"
    rest = await boss.get("/replay", project=project, limit=1, cursor=first["tasks"]["next"])
    titles = [one["title"] for one in first["tasks"]["items"] + rest["tasks"]["items"]]
    assert (sorted(titles), rest["tasks"]["next"]) == (["One", "Two"], None)
    assert [one["type"] for one in then["recent"]] == ["project.created", "project.member_added"]
    assert then["recent"][-1]["pos"] <= before < then["next"] == first["recent"][2]["pos"]
    assert (len(first["recent"]), first["next"]) == (5, None)


async def test_only_members_as_they_are_now_and_auditors_look_back(api: Api) -> None:
    boss, ann = await api.as_("manager"), await api.as_("member")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    paths = [
        f"/replay?project={project}",
        f"/replay?project={project}&from=0",
        f"/replay/diff?project={project}&from={boss.position}",
        f"/replay/outline?project={project}",
    ]
    auditor, analyst = await api.as_("auditor"), await api.as_("analyst")
    for path in paths:
        assert await ann.refused("GET", path) == "404 project.not_found"
        assert await analyst.refused("GET", path) == "403 access.denied"
        assert (await auditor("GET", path)).status_code == 200
    await boss.do("PUT", f"/projects/{project}/members/{ann.id}", {"role": "viewer"})
    assert {(await ann("GET", path)).status_code for path in paths} == {200}
    await boss.do("DELETE", f"/projects/{project}/members/{ann.id}")
    assert await ann.refused("GET", paths[0]) == "404 project.not_found"


async def test_a_moment_that_cannot_be_is_refused(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    wrong = {
        "at=yesterday": "422 replay.bad_moment",
        "at=-1": "422 replay.bad_moment",
        "at=99999999999": "422 replay.not_yet",
        "at=0": "404 replay.not_created_yet",
        f"from={boss.position}&to=0": "422 replay.backwards",
        "from=0&speed=0": "422 request.invalid",
    }
    for query, code in wrong.items():
        assert await boss.refused("GET", f"/replay?project={project}&{query}") == code
    assert await boss.refused("GET", f"/replay?project={uuid4()}") == "404 project.not_found"


async def test_a_session_is_streamed_in_order_and_resumed_after_an_event(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    task = (await boss.do("POST", f"/projects/{project}/tasks", {"title": "T"}))["id"]
    await boss.do("PATCH", f"/tasks/{task}", {"title": "U"}, If_Match='"1"')
    events = await told(boss, api, project=project, **{"from": 0, "speed": 100_000})
    assert [(name, data.get("type")) for name, data in events] == [
        ("ev", "project.created"),
        ("ev", "project.member_added"),
        ("ev", "task.created"),
        ("ev", "task.changed"),
        ("end", None),
    ]
    positions = [data["pos"] for _, data in events[:-1]]
    assert positions == sorted(set(positions))
    assert events[3][1]["data"] == {"title": "U"}
    assert events[3][1]["by"] == boss.id
    path = f"/replay?project={project}&from=0&speed=100000"
    resumed = await boss("GET", path, Last_Event_ID=str(positions[2]))
    assert "task.changed" in resumed.text
    assert "task.created" not in resumed.text


async def test_a_session_takes_as_long_as_it_took_divided_by_the_speed(api: Api) -> None:
    boss, loop = await api.as_("manager"), asyncio.get_running_loop()
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    task = (await boss.do("POST", f"/projects/{project}/tasks", {"title": "T"}))["id"]
    async with api.runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_events SET recorded_at = recorded_at + interval '1 hour'"
            " WHERE topic = 'task.created.v1'"
        )
    await api.runtime.execute(SYSTEM, TASK, UUID(task), ChangeTask(title="U"))
    began = loop.time()
    await told(boss, api, project=project, **{"from": 0, "speed": 18_000})
    assert 0.2 <= loop.time() - began < 2.0


async def test_a_difference_is_told_in_pages(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    start = boss.position
    for title in ("One", "Two"):
        await boss.do("POST", f"/projects/{project}/tasks", {"title": title})
    await boss.do("PATCH", f"/projects/{project}", {"name": "Q"})
    asked = {"project": project, "from": start}
    first = (await boss.get("/replay/diff", **asked, limit=2))["changes"]
    rest = (await boss.get("/replay/diff", **asked, limit=2, cursor=first["next"]))["changes"]
    rows = first["items"] + rest["items"]
    assert [row["table"] for row in rows] == ["projects", "tasks", "tasks"]
    assert (rows[0]["was"]["name"], rows[0]["now"]["name"]) == ("P", "Q")
    assert {row["now"]["title"] for row in rows[1:]} == {"One", "Two"}
    assert rest["next"] is None


async def test_a_life_is_outlined_by_all_its_events_or_by_some_that_are_spread(api: Api) -> None:
    boss = await api.as_("manager")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    start = boss.position
    for number in range(8):
        await boss.do("POST", f"/projects/{project}/tasks", {"title": f"T{number}"})
    asked = {"project": project}
    life = await boss.get("/replay/outline", **asked)
    positions = [one["pos"] for one in life["marks"]]
    assert (life["whole"], len(positions)) == (True, 10)
    assert {one["by"] for one in life["marks"][2:]} == {boss.id}
    later = await boss.get("/replay/outline", **asked, **{"from": start, "limit": 8})
    assert (later["whole"], [one["pos"] for one in later["marks"]]) == (True, positions[2:])
    some = await boss.get("/replay/outline", **asked, limit=3)
    found = [one["pos"] for one in some["marks"]]
    assert (some["whole"], found[0], found[-1]) == (False, positions[0], positions[-1])
    assert len(found) == 3
    assert set(found) < set(positions)
    none = await boss.get("/replay/outline", **asked, to=0)
    assert (none["whole"], none["marks"]) == (True, [])
