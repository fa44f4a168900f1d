"""Projects, their members, and who sees them."""

from uuid import uuid4

from tests.integration.conftest import Api


async def test_who_creates_a_project_manages_it(api: Api) -> None:
    boss = await api.as_("manager")
    project = await boss.do("POST", "/projects", {"name": "Relaunch", "ends": "2026-12-24"})
    shown = await boss.get(f"/projects/{project['id']}")
    assert (shown["name"], shown["status"], shown["ends"]) == ("Relaunch", "planning", "2026-12-24")
    members = await boss.get(f"/projects/{project['id']}/members")
    assert [(row["user_id"], row["role"]) for row in members["items"]] == [(boss.id, "manager")]


async def test_a_project_needs_a_manager_and_a_client_that_exist(api: Api) -> None:
    boss = await api.as_("manager")
    unknown = {"name": "P", "manager": str(uuid4())}
    assert await boss.refused("POST", "/projects", unknown) == "422 user.unknown"
    client = await boss.do("POST", "/clients", {"name": "C"})
    project = await boss.do("POST", "/projects", {"name": "P", "client": client["id"]})
    await boss.do("POST", f"/clients/{client['id']}/archive")
    archived = {"name": "P", "client": client["id"]}
    assert await boss.refused("POST", "/projects", archived) == "422 client.unknown"
    await boss.do("PATCH", f"/projects/{project['id']}", {"client": None})
    assert (await boss.get(f"/projects/{project['id']}"))["client"] is None


async def test_members_come_change_role_and_go(api: Api) -> None:
    boss, ann = await api.as_("manager"), await api.as_("member")
    project = await boss.do("POST", "/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    assert await ann.refused("GET", path) == "404 project.not_found"
    await boss.do("PUT", f"{path}/members/{ann.id}", {"role": "viewer"})
    ann.position = boss.position
    assert (await ann.get(path))["name"] == "P"
    assert await ann.refused("PATCH", path, {"name": "Q"}) == "403 access.denied"
    await boss.do("PUT", f"{path}/members/{ann.id}", {"role": "manager"})
    await ann.do("PATCH", path, {"name": "Q"})
    await boss.do("DELETE", f"{path}/members/{ann.id}")
    assert await ann.refused("GET", path) == "404 project.not_found"
    last = await boss.refused("DELETE", f"{path}/members/{boss.id}")
    assert last == "409 project.last_manager"


async def test_a_role_given_twice_with_one_key_is_answered_as_before(api: Api) -> None:
    boss, ann = await api.as_("manager"), await api.as_("member")
    project = await boss.do("POST", "/projects", {"name": "P"})
    path, role = f"/projects/{project['id']}/members/{ann.id}", {"role": "viewer"}
    first = await boss("PUT", path, role, Idempotency_Key="add")
    again = await boss("PUT", path, role, Idempotency_Key="add")
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_only_users_there_are_become_members(api: Api) -> None:
    boss = await api.as_("manager")
    project = await boss.do("POST", "/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    stranger = f"{path}/members/{uuid4()}"
    assert await boss.refused("PUT", stranger, {"role": "viewer"}) == "422 user.unknown"
    body = {"manager": str(uuid4())}
    assert await boss.refused("PUT", f"{path}/manager", body) == "422 user.unknown"


async def test_the_list_shows_ones_own_projects_or_all(api: Api) -> None:
    boss, ann, eve = await api.as_("manager"), await api.as_("member"), await api.as_("auditor")
    mine = await boss.do("POST", "/projects", {"name": "Ann's", "type": "internal"})
    await boss.do("POST", "/projects", {"name": "Other"})
    await boss.do("PUT", f"/projects/{mine['id']}/members/{ann.id}", {"role": "viewer"})
    ann.position = eve.position = boss.position
    assert [row["name"] for row in (await ann.get("/projects"))["items"]] == ["Ann's"]
    assert [row["name"] for row in (await eve.get("/projects"))["items"]] == ["Other", "Ann's"]
    internal = await eve.get("/projects", type="internal")
    assert [row["name"] for row in internal["items"]] == ["Ann's"]


async def test_projects_are_found_by_their_words_and_days(api: Api) -> None:
    boss = await api.as_("manager")
    for name, starts, ends in (("Bridge", "2026-01-10", "2026-02-10"), ("Tower", None, None)):
        await boss.do("POST", "/projects", {"name": name, "starts": starts, "ends": ends})
    asked = [
        {"search": "bri"},
        {"starts_after": "2026-01-09", "starts_before": "2026-01-11"},
        {"ends_after": "2026-02-09", "ends_before": "2026-02-11"},
    ]
    for filters in asked:
        items = (await boss.get("/projects", **filters))["items"]
        assert [one["name"] for one in items] == ["Bridge"], filters
    assert (await boss.get("/projects", starts_before="2026-01-10"))["items"] == []


async def test_the_status_goes_along_its_transitions(api: Api) -> None:
    boss = await api.as_("manager")
    project = await boss.do("POST", "/projects", {"name": "P"})
    path = f"/projects/{project['id']}"
    wrong = await boss("PUT", f"{path}/status", {"status": "completed"})
    assert (wrong.status_code, wrong.json()["was"]) == (409, "planning")
    await boss.do("PUT", f"{path}/status", {"status": "archived"})
    assert await boss.refused("PATCH", path, {"name": "Q"}) == "409 project.archived"


async def test_the_manager_is_handed_over(api: Api) -> None:
    boss, ann = await api.as_("manager"), await api.as_("member")
    project = await boss.do("POST", "/projects", {"name": "P"})
    await boss.do("PUT", f"/projects/{project['id']}/manager", {"manager": ann.id})
    ann.position = boss.position
    assert (await ann.get(f"/projects/{project['id']}"))["manager"] == ann.id


async def test_the_activity_tells_what_happened_newest_first(api: Api) -> None:
    boss = await api.as_("manager")
    project = await boss.do("POST", "/projects", {"name": "P"})
    await boss.do("POST", f"/projects/{project['id']}/tasks", {"title": "T"})
    feed = await boss.get(f"/projects/{project['id']}/activity")
    assert [row["verb"] for row in feed["items"]] == [
        "task.created",
        "project.member_added",
        "project.created",
    ]
    own = await boss.get(f"/users/{boss.id}/activity", limit=1)
    assert own["items"] == feed["items"][:1]


async def test_another_kind_of_thing_is_not_found(api: Api) -> None:
    admin = await api.as_("admin")
    project = await admin.do("POST", "/projects", {"name": "P"})
    client = await admin.do("POST", "/clients", {"name": "C"})
    wrong = await admin.refused("PATCH", f"/clients/{project['id']}", {"name": "X"})
    assert wrong == "404 client.not_found"
    assert await admin.refused("GET", f"/projects/{client['id']}") == "404 project.not_found"
    assert await admin.refused("GET", f"/tasks/{client['id']}") == "404 task.not_found"
