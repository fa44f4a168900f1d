"""What every command and query promises: versions, retries, positions, pages, problems."""

import asyncio
from uuid import UUID, uuid4

import pytest

from tests.integration.conftest import Api, refusal

KEY = "0190a5d2-9c1e-7d6b-8a51-0d6e4c1b2a3f"


async def test_a_command_answers_what_it_made_and_where(api: Api) -> None:
    boss = await api.as_("manager")
    answer = await boss("POST", "/clients", {"name": "C"})
    body = answer.json()
    assert answer.status_code == 201
    assert (answer.headers["ETag"], body["version"]) == ('"1"', 1)
    assert answer.headers["X-Position"] == str(body["position"])
    boss.position = body["position"]
    shown = await boss("GET", f"/clients/{body['id']}?min_position={boss.position}")
    assert shown.headers["ETag"] == '"1"'


async def test_a_change_is_made_only_to_the_version_that_was_seen(api: Api) -> None:
    boss = await api.as_("manager")
    client = await boss.do("POST", "/clients", {"name": "C"})
    path = f"/clients/{client['id']}"
    await boss.do("PATCH", path, {"name": "D"}, If_Match='"1"')
    late = await boss("PATCH", path, {"name": "E"}, If_Match='"1"')
    assert (refusal(late), late.json()["version"]) == ("412 version.changed", 2)
    await boss.do("PATCH", path, {"name": "E"}, If_Match="*")
    malformed = await boss.refused("PATCH", path, {"name": "F"}, If_Match="3")
    assert malformed == "400 request.bad_if_match"


@pytest.mark.parametrize("key", [KEY, "any text at all"])
async def test_a_command_sent_again_is_answered_as_before(api: Api, key: str) -> None:
    boss = await api.as_("manager")
    first = await boss("POST", "/clients", {"name": "C"}, Idempotency_Key=key)
    again = await boss("POST", "/clients", {"name": "C"}, Idempotency_Key=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    boss.position = first.json()["position"]
    assert len((await boss.get("/clients"))["items"]) == 1


async def test_a_command_sent_many_times_at_once_is_done_once(api: Api) -> None:
    boss = await api.as_("manager")
    answers = await asyncio.gather(
        *(boss("POST", "/projects", {"name": "P"}, Idempotency_Key=KEY) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    boss.position = answers[0].json()["position"]
    assert len((await boss.get("/projects"))["items"]) == 1


async def test_a_registration_sent_again_keeps_its_password(api: Api) -> None:
    admin = await api.as_("admin")
    body = {"email": "b@example.com", "name": "Bob", "role": "member", "password": "first password"}
    first = await admin.do("POST", "/users", body, Idempotency_Key=KEY)
    again = {**body, "password": "another password"}
    assert await admin.do("POST", "/users", again, Idempotency_Key=KEY) == first
    assert await api.login("b@example.com", "first password")


async def test_a_key_used_for_something_else_is_refused(api: Api) -> None:
    boss = await api.as_("manager")
    client = await boss.do("POST", "/clients", {"name": "C"}, Idempotency_Key=KEY)
    other = await boss.refused("POST", "/projects", {"name": "P"}, Idempotency_Key=KEY)
    change = await boss.refused(
        "PATCH", f"/clients/{client['id']}", {"name": "D"}, Idempotency_Key=KEY
    )
    assert other == change == "422 command.reused"


async def test_two_people_may_use_the_same_key(api: Api) -> None:
    boss, other = await api.as_("manager"), await api.as_("manager")
    mine = await boss.do("POST", "/clients", {"name": "C"}, Idempotency_Key=KEY)
    theirs = await other.do("POST", "/clients", {"name": "C"}, Idempotency_Key=KEY)
    assert mine["id"] != theirs["id"]


async def test_what_changes_nothing_has_no_position(api: Api) -> None:
    boss = await api.as_("manager")
    client = await boss.do("POST", "/clients", {"name": "C"})
    answer = await boss("PATCH", f"/clients/{client['id']}", {"name": "C"})
    assert answer.json() == {"id": client["id"], "version": 1, "position": None}
    assert "X-Position" not in answer.headers


async def test_a_position_not_reached_in_time_says_to_ask_again(api: Api) -> None:
    boss = await api.as_("manager")
    answer = await boss("GET", "/clients?min_position=1000000")
    assert refusal(answer) == "503 position.not_reached"
    assert answer.headers["Retry-After"] == "1"


async def test_a_query_that_makes_no_sense_is_refused(api: Api) -> None:
    boss = await api.as_("manager")
    codes = {
        "limit=0": "422 request.invalid",
        "limit=201": "422 request.invalid",
        "limit=x": "422 request.invalid",
        "cursor=x": "422 cursor.invalid",
        "cursor=" + "x" * 1_201: "422 request.invalid",
        "status=unheard": "422 request.invalid",
        "min_position=-1": "422 request.invalid",
        "search=%00": "422 request.invalid",
    }
    answers = {query: await boss.refused("GET", f"/clients?{query}") for query in codes}
    assert answers == codes


async def test_a_body_that_makes_no_sense_is_refused(api: Api) -> None:
    boss = await api.as_("manager")
    headers = {"Authorization": f"Bearer {boss.token}", "Content-Type": "application/json"}
    codes = {
        b'{"name": ': "400 request.malformed",
        b"\xff\xfe": "400 request.malformed",
        b'{"name": "\\ud800"}': "400 request.malformed",
        b'{"name": "C", "id": "x"}': "422 request.invalid",
        b'{"name": 7}': "422 request.invalid",
        b"[]": "422 request.invalid",
        b"null": "422 request.invalid",
        b"": "422 request.invalid",
        b'{"name": ""}': "422 client.bad_name",
        b'{"name": "a\\u0000b"}': "422 text.has_nul",
        b'{"name": "' + b"x" * (1 << 20) + b'"}': "413 body.too_large",
    }
    answers = {
        body: refusal(await api.client.post("/api/v1/clients", content=body, headers=headers))
        for body in codes
    }
    assert answers == codes


async def test_unknown_routes_and_wrong_methods_are_told_apart(api: Api) -> None:
    boss = await api.as_("manager")
    assert await boss.refused("GET", "/nowhere") == "404 route.unknown"
    assert await boss.refused("GET", "/clients/not-a-uuid") == "404 route.unknown"
    wrong = await boss("DELETE", "/clients")
    assert refusal(wrong) == "405 method.not_allowed"
    assert "GET" in wrong.headers["Allow"]


async def test_a_request_id_is_kept_and_goes_into_the_log(api: Api) -> None:
    boss, given = await api.as_("manager"), str(uuid4())
    answer = await boss("POST", "/clients", {"name": "C"}, X_Request_ID=given)
    assert answer.headers["X-Request-ID"] == given
    [stored] = await api.runtime.store.read_stream(UUID(answer.json()["id"]))
    assert str(stored.meta.correlation_id) == given
    assert (stored.meta.actor, stored.meta.ip) == (UUID(boss.id), "127.0.0.1")
    assert stored.meta.user_agent.startswith("python-httpx")


async def test_every_answer_has_an_id_and_stays_out_of_caches(api: Api) -> None:
    for path in ("/livez", "/nowhere", "/api/v1/clients"):
        answer = await api.client.get(path, headers={"X-Request-ID": "not a uuid"})
        assert UUID(answer.headers["X-Request-ID"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_a_failure_is_a_500_that_tells_nothing(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = await api.as_("operator")
    async with api.runtime.db.connection() as connection:
        await connection.execute("ALTER TABLE formula_jobs RENAME COLUMN queue TO line")
    answer = await operator("GET", "/realtime/jobs")
    assert refusal(answer) == "500 server.failed"
    assert "queue" not in answer.text
    logged = capsys.readouterr().out
    assert "request_failed" in logged
    assert operator.token not in logged


async def test_the_description_lists_every_route_with_examples(api: Api) -> None:
    described = (await api.client.get("/schema/openapi.json")).json()
    assert "/api/v1/projects/{project}/tasks" in described["paths"]
    name = described["components"]["schemas"]["NewClient"]["properties"]["name"]
    assert name["examples"] == ["Northwind Traders"]
    headers = described["paths"]["/api/v1/clients"]["post"]["parameters"]
    assert {"If-Match", "Idempotency-Key"} <= {header["name"] for header in headers}
    assert (await api.client.get("/schema/openapi.yaml")).status_code == 200
