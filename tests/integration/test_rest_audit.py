"""The audit over REST: filters, changes, causes, saved filters, holds; and that reading is seen."""

import gc
from uuid import UUID, uuid4

from domain.notification import NOTIFICATION, SendNotification
from infra.runtime import Origin
from tests.infra.until import until
from tests.integration.conftest import PASSWORD, Api, Person


async def test_a_change_shows_each_field_before_and_after(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    client = await boss.do("POST", "/clients", {"name": "C"})
    await boss.do("PATCH", f"/clients/{client['id']}", {"name": "D"})
    eve.position = boss.position
    new, old = (await eve.get("/audit", subject=client["id"], changes=True))["items"]
    assert new["changes"] == {"name": {"before": "C", "after": "D"}}
    assert old["changes"]["name"] == {"before": "", "after": "C"}
    assert (await eve.get(f"/audit/{new['position']}"))["changes"] == new["changes"]
    assert (await eve.get("/audit", subject=client["id"]))["items"][0]["changes"] is None
    assert await eve.refused("GET", "/audit/999999999") == "404 audit.event_not_found"


async def test_what_people_wrote_is_found_by_its_words(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    for name in ("North Bridge", "South bridge", "Tower"):
        await boss.do("POST", "/clients", {"name": name})
    eve.position = boss.position

    async def names(search: str) -> list[str]:
        found = await eve.get("/audit", search=search, aggregate="client")
        return [row["data"]["name"] for row in found["items"]]

    assert await names("bridge") == ["South bridge", "North Bridge"]
    assert await names("bridge -south") == ["North Bridge"]
    assert await names("harbour") == []


async def test_causes_and_effects_make_a_tree(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    created = await boss.do("POST", "/clients", {"name": "C"})

    async def follow(causation: int | UUID) -> int:
        send = SendNotification(user=UUID(boss.id), kind="k", title="T", at=api.runtime.now())
        origin = Origin(causation=causation)
        outcome = await api.runtime.execute(origin, NOTIFICATION, uuid4(), send)
        assert outcome.position is not None
        eve.position = outcome.position
        return outcome.position

    first = created["position"]
    second = await follow(first)
    row = await eve.get(f"/audit/{second}")
    third = await follow(UUID(row["command_id"]))
    shape = [
        [(node["depth"], node["position"], node["cause"]) for node in await eve.get(path)]
        for path in (f"/audit/{first}/tree", f"/audit/{third}/tree")
    ]
    assert shape[0] == [(0, first, None), (1, second, first), (2, third, second)]
    assert shape[1] == [(-2, first, None), (-1, second, first), (0, third, second)]
    assert await eve.refused("GET", "/audit/999999999/tree") == "404 audit.event_not_found"


async def test_reading_the_audit_is_in_the_audit(api: Api) -> None:
    eve = await api.as_("auditor")
    await eve.get("/audit", aggregate="user", search="auditor")
    eve.position = await api.runtime.store.head()
    [read] = (await eve.get("/audit", aggregate="audit"))["items"]
    assert (read["type"], read["actor"], read["ip"]) == ("audit.read.v1", eve.id, "127.0.0.1")
    assert read["data"]["filter"] == {"aggregate": "user", "search": "auditor"}
    assert (read["data"]["what"], read["data"]["count"]) == ("list", 1)
    await eve.get(f"/audit/streams/{eve.id}")
    eve.position = await api.runtime.store.head()
    newest = (await eve.get("/audit", aggregate="audit"))["items"][0]
    assert (newest["data"]["what"], newest["data"]["of"]) == ("stream", eve.id)


async def test_a_reader_keeps_filters_of_their_own(api: Api) -> None:
    eve, max_ = await api.as_("auditor"), await api.as_("auditor")
    wanted = {"aggregate": "user", "actor": None}
    await eve.do("PUT", "/audit/filters/people", wanted)
    eve.position = await api.runtime.store.head()
    assert await eve.get("/audit/filters") == [{"name": "people", "filter": {"aggregate": "user"}}]
    rows = (await eve.get("/audit", saved="people"))["items"]
    assert {row["aggregate"] for row in rows} == {"user"}
    assert (await eve.get("/audit", saved="people", subject=eve.id))["items"] != rows
    assert await max_.get("/audit/filters") == []
    assert await max_.refused("GET", "/audit?saved=people") == "404 audit.filter_not_found"
    await eve.do("DELETE", "/audit/filters/people")
    assert await eve.get("/audit/filters") == []


async def test_a_refused_filter_keeps_no_connection_and_breaks_none(api: Api) -> None:
    eve, pool = await api.as_("auditor"), api.runtime.db
    known = pool.get_stats().get("returns_bad", 0)
    gc.disable()  # which would give them back, at some time
    try:
        for _ in range(pool.max_size):
            assert await eve.refused("GET", "/audit?saved=x") == "404 audit.filter_not_found"
        await until(lambda: (now := pool.get_stats())["pool_available"] == now["pool_size"])
    finally:
        gc.enable()
    assert pool.get_stats().get("returns_bad", 0) == known


async def test_holds_are_placed_seen_and_released(api: Api) -> None:
    boss, eve = await api.as_("manager"), await api.as_("auditor")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    task = (await boss.do("POST", f"/projects/{project}/tasks", {"title": "T"}))["id"]
    await eve.do("PUT", f"/holds/{task}", {"kind": "record", "reason": "case"})
    [hold] = (await eve.get("/holds"))["items"]
    assert (hold["subject"], hold["project"], hold["reason"]) == (task, project, "case")
    await eve.do("POST", f"/holds/{task}/release", {"reason": "closed"})
    assert (await eve.get("/holds"))["items"] == []
    document = await boss.do("POST", f"/projects/{project}/documents", {"title": "D", "fields": {}})
    await eve.do("PUT", f"/holds/{document['id']}", {"kind": "record", "reason": "case"})
    [hold] = (await eve.get("/holds"))["items"]
    assert (hold["subject"], hold["project"]) == (document["id"], project)
    for subject, kind, code in (
        (uuid4(), "record", "hold.no_such_record"),
        (project, "record", "hold.no_such_record"),
        (task, "project", "project.not_found"),
    ):
        body = {"kind": kind, "reason": "x"}
        assert await eve.refused("PUT", f"/holds/{subject}", body) == f"404 {code}"
    denied = await boss.refused("PUT", f"/holds/{task}", {"kind": "record", "reason": "x"})
    assert denied == "403 access.denied"


async def test_who_signed_in_from_where_and_how_is_in_the_audit(api: Api) -> None:
    auditor, ann = await api.as_("auditor"), await api.as_("member")
    body = {"email": ann.email, "password": PASSWORD}
    answer = await api.client.post(
        "/api/v1/auth/login", json=body, headers={"User-Agent": "a phone"}
    )
    here = Person(api.client, UUID(ann.id), ann.email, answer.json()["access_token"])
    (current,) = [one for one in await here.get("/auth/sessions") if one["current"]]
    await api.post("/auth/login", {**body, "password": "not the password"})
    await here("POST", "/auth/logout")
    auditor.position = await api.runtime.store.head()
    found = await auditor.get("/audit", actor=ann.id)
    assert [one["type"] for one in found["items"]] == [
        "user.signed_out.v2",
        "login.begun.v1",
        "login.begun.v1",
    ]
    begun = found["items"][1]
    assert (begun["subject"], begun["user_agent"]) == (current["id"], "a phone")
    assert begun["ip"]
    assert begun["data"] == {"user": ann.id, "way": "password"}
