"""API keys: a machine gets in as its owner, as far as its scopes go, until it is revoked."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from psycopg import sql

from domain.access import Action
from domain.notification import NOTIFICATION, SendNotification
from domain.project import ProjectRole
from domain.scopes import NEVER
from domain.user import Role
from infra.api_keys import PREFIX
from infra.runtime import SYSTEM
from tests.integration.conftest import PASSWORD, Api, Json, Person, Place
from tests.integration.sockets import Live


def machine(api: Api, key: str, owner: Person | None = None) -> Person:
    """Who comes with that; they see what the owner did."""
    found = Person(api.client, api.runtime.node, "", key)
    found.position = owner.position if owner else 0
    return found


async def made(person: Person, *scopes: str, **more: object) -> Json:
    body = {"name": "nightly", "scopes": [*scopes], **more}
    return await person.do("POST", f"/users/{person.id}/api-keys", body)


async def test_a_key_gets_in_as_its_owner_as_far_as_its_scopes_go(api: Api, place: Place) -> None:
    key = await made(place.ann, "read")
    robot = machine(api, key["key"], place.ann)
    assert (await robot.get("/auth/me"))["id"] == place.ann.id
    assert (await robot.get(f"/tasks/{place.task}"))["id"] == place.task
    denied = await robot.refused("PATCH", f"/tasks/{place.task}", {"title": "Paint"})
    assert denied == "403 access.denied"
    upload = await robot.refused("DELETE", f"/realtime/files/tus/{uuid4()}", Tus_Resumable="1.0.0")
    assert upload == "403 access.denied", "nor what its owner began"
    writer = machine(api, (await made(place.ann, "task.write"))["key"])
    await writer.do("POST", f"/projects/{place.project}/tasks", {"title": "New"})
    for path in (f"/projects/{place.project}", f"/tasks/{place.task}"):
        assert await writer.refused("GET", path) == "403 access.denied"


async def test_a_key_writes_and_the_audit_says_which(api: Api, place: Place) -> None:
    auditor = await api.as_("auditor")
    key = await made(place.ann, "write")
    robot = machine(api, key["key"])
    await robot.do("PATCH", f"/tasks/{place.task}", {"title": "Paint"})
    auditor.position = robot.position
    found = await auditor.get("/audit", subject=place.task)
    by_key = [(one["actor"], one["api_key"]) for one in found["items"]]
    assert by_key == [(place.ann.id, key["id"]), (place.ann.id, None)]


async def test_no_key_does_what_lets_people_in(api: Api) -> None:
    admin = await api.as_("admin")
    robot = machine(api, (await made(admin, "write", "user.change", "user.list"))["key"])
    for method, path in (
        ("POST", "/auth/logout"),
        ("POST", "/auth/logout-all"),
        ("GET", "/auth/sessions"),
        ("DELETE", f"/auth/sessions/{uuid4()}"),
        ("POST", "/auth/email/resend"),
    ):
        assert await robot.refused(method, path) == "403 auth.not_by_key", path
    body = {"name": "another", "scopes": ["read"]}
    for method, path, sent in (
        ("POST", f"/users/{admin.id}/api-keys", body),
        ("GET", f"/users/{admin.id}/api-keys", None),
        ("GET", f"/users/{admin.id}/sessions", None),
        ("PUT", f"/users/{admin.id}/password", {"password": "a new pass phrase"}),
    ):
        assert await robot.refused(method, path, sent) == "403 access.denied", path
    ann = await api.as_("member")
    for user in (admin.id, ann.id):
        moved = {"email": "thief@example.com", "current": PASSWORD}
        assert await robot.refused("PATCH", f"/users/{user}", moved) == "403 auth.not_by_key"
    await robot.do("PATCH", f"/users/{ann.id}", {"name": "Anne"})
    for action in NEVER:
        body = {"name": "x", "scopes": [action.value]}
        answer = await admin.refused("POST", f"/users/{admin.id}/api-keys", body)
        assert answer == "422 api_key.bad_scope"


async def test_a_revoked_key_is_out_at_once_and_a_log_out_leaves_it(api: Api) -> None:
    ann = await api.as_("member")
    session = await api.login(ann.email)
    key, other = await made(ann, "read"), await made(ann, "read")
    robot = machine(api, key["key"])
    await machine(api, session["access_token"])("POST", "/auth/logout-all")
    assert (await robot("GET", "/auth/me")).status_code == 200
    ann = machine(api, (await api.login(ann.email))["access_token"])
    me = (await ann.get("/auth/me"))["id"]
    await ann.do("DELETE", f"/users/{me}/api-keys/{key['id']}")
    assert await robot.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert (await machine(api, other["key"])("GET", "/auth/me")).status_code == 200
    again = await ann.refused("DELETE", f"/users/{me}/api-keys/{key['id']}")
    assert again == "404 api_key.not_found"


async def test_a_key_ends_with_its_time_and_with_its_owner(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    soon = api.runtime.now() + timedelta(minutes=1)
    key = await made(ann, "read", expires=soon.isoformat())
    robot = machine(api, key["key"])
    assert (await robot("GET", "/auth/me")).status_code == 200
    await admin.do("POST", f"/users/{ann.id}/deactivate", {})
    assert await robot.refused("GET", "/auth/me") == "401 auth.deactivated"
    await admin.do("POST", f"/users/{ann.id}/reactivate")
    assert (await robot("GET", "/auth/me")).status_code == 200
    api.runtime.clock._base += timedelta(minutes=2)  # pyright: ignore[reportPrivateUsage]
    assert await robot.refused("GET", "/auth/me") == "401 auth.expired"


@pytest.mark.parametrize("days", [-1, 367])
async def test_a_key_lasts_a_year_at_most(api: Api, days: int) -> None:
    ann = await api.as_("member")
    body = {
        "name": "x",
        "scopes": ["read"],
        "expires": (api.runtime.now() + timedelta(days=days)).isoformat(),
    }
    answer = await ann.refused("POST", f"/users/{ann.id}/api-keys", body)
    assert answer == "422 api_key.bad_expires"


async def test_keys_are_listed_without_their_secret_and_with_their_last_use(api: Api) -> None:
    ann, bob, admin = await api.as_("member"), await api.as_("manager"), await api.as_("admin")
    key = await made(ann, "read")
    path = f"/users/{ann.id}/api-keys"
    (shown,) = await ann.get(path)
    assert shown["used_at"] is None
    assert (shown["id"], shown["name"], shown["scopes"]) == (key["id"], "nightly", ["read"])
    await machine(api, key["key"]).get("/auth/me")
    (shown,) = await admin.get(path)
    assert shown["used_at"] is not None
    assert key["key"].rpartition("_")[2] not in str(shown)
    assert await bob.refused("GET", path) == "403 access.denied"


async def test_an_admin_makes_a_key_for_somebody_with_their_rights(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    body = {"name": "bridge", "scopes": ["write", "user.register"]}
    key = await admin.do("POST", f"/users/{ann.id}/api-keys", body)
    robot = machine(api, key["key"])
    assert (await robot.get("/auth/me"))["id"] == ann.id
    new = {"email": "b@example.com", "name": "Bob", "role": "member", "password": "x1y2z3a4b5c6"}
    assert await robot.refused("POST", "/users", new) == "403 access.denied"


async def test_what_is_no_key_gets_nobody_in(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    key, other = (await made(ann, "read"))["key"], (await made(bob, "read"))["key"]
    secret = other.rpartition("_")[2]
    named = key[: len(PREFIX) + 33]
    for wrong in (
        named + "x" * 43,
        named + other[-43:],
        named + secret[:-1],
        key + "x",
        key.upper(),
        key.replace("fk_", "fk"),
        f"{PREFIX}{uuid4().hex}_{'x' * 43}",
        PREFIX,
        f"{PREFIX}{'z' * 32}_{'x' * 43}",
        f"{PREFIX}{UUID(int=0).hex}_{'é' * 43}",
    ):
        header = f"Bearer {wrong}".encode()
        answer = await api.client.get("/api/v1/auth/me", headers=[(b"authorization", header)])
        assert answer.status_code == 401, wrong


async def test_nothing_that_is_stored_has_the_secret(api: Api) -> None:
    ann = await api.as_("member")
    key = (await made(ann, "read"))["key"]
    secret = key[-43:]
    async with api.runtime.db.connection() as db:
        for table in ("formula_events", "formula_api_keys"):
            named = sql.Identifier(table)
            cursor = await db.execute(sql.SQL("SELECT t::text FROM {} t").format(named))
            assert not [row for (row,) in await cursor.fetchall() if secret in row]


async def test_a_retry_does_not_tell_a_secret_again(api: Api) -> None:
    ann = await api.as_("member")
    body, path = {"name": "x", "scopes": ["read"]}, f"/users/{ann.id}/api-keys"
    await ann.do("POST", path, body, Idempotency_Key="once")
    assert await ann.refused("POST", path, body, Idempotency_Key="once") == "409 api_key.told_once"
    assert len(await ann.get(path)) == 1


async def test_a_key_opens_a_socket_where_it_may_join_and_its_end_closes_it(
    api: Api, live: Live
) -> None:
    ann = await api.as_("member")
    reader, narrow = await made(ann, "read"), await made(ann, "task.write")
    socket = await live.open_by(narrow["key"])
    assert (await socket.until(lambda frame: frame["op"] == "err"))["code"] == "auth.out_of_scope"
    assert await socket.closed() == 4001
    socket = await live.open_by(reader["key"])
    assert (await socket.until(lambda frame: frame["op"] == "welcome"))["user"] == ann.id
    await ann.do("DELETE", f"/users/{ann.id}/api-keys/{reader['id']}")
    assert await socket.closed() == 4001


async def test_a_key_in_a_room_does_no_more_than_its_scopes(live: Live, api: Api) -> None:
    boss = await live.user("boss", Role.MANAGER)
    project = await live.project(boss)
    ann = await api.as_("member")
    await live.add(project, UUID(ann.id), ProjectRole.CONTRIBUTOR)
    key = await made(ann, Action.ROOM_JOIN.value, Action.PROJECT_READ.value)
    socket = await live.open_by(key["key"])
    joined = await socket.ask("join", room=f"project:{project}")
    assert joined["op"] == "joined"
    act = await socket.ask("act", room=f"project:{project}", kind="x")
    assert act["code"] == "access.denied"


def is_notice(frame: Json) -> bool:
    return frame.get("type") == "notification.sent"


async def notify(live: Live, ann: Person) -> None:
    now, notice = live.runtime.now(), live.runtime.new_id()
    send = SendNotification(user=UUID(ann.id), kind="task.assigned", title="T", at=now)
    await live.runtime.execute(SYSTEM, NOTIFICATION, notice, send)


async def test_a_key_hears_its_owners_own_room_if_it_may_read_the_same_by_rest(
    live: Live, api: Api
) -> None:
    boss, ann = await live.user("boss", Role.MANAGER), await api.as_("member")
    project, own = await live.project(boss), f"user:{ann.id}"
    room = f"project:{project}"
    await live.add(project, UUID(ann.id), ProjectRole.CONTRIBUTOR)
    narrow = await made(ann, "room.join", "room.act", "notification.read")
    wide = await made(ann, "room.join", "notification.read", "jobs.read")
    deaf, hearing = await live.open_by(narrow["key"]), await live.open_by(wide["key"])
    assert (await deaf.ask("join", room=room))["op"] == "joined"
    assert (await deaf.ask("join", room=own))["code"] == "access.denied"
    events = f"/realtime/rooms/{own}/events?wait=0"
    assert await machine(api, narrow["key"]).refused("GET", events) == "403 access.denied"
    assert (await machine(api, wide["key"])("GET", events)).status_code == 200
    await notify(live, ann)
    assert await hearing.until(is_notice)
    await deaf.ask("act", room=room, kind="x")
    await deaf.event("activity.recorded")  # of a later position than the notice
    assert not [frame for frame in deaf.seen if frame.get("room") == own]


async def test_a_key_that_hears_no_notices_hears_of_its_locks_and_of_its_end(
    live: Live, api: Api
) -> None:
    ann, boss = await api.as_("member"), await live.user("boss", Role.MANAGER)
    project = await live.project(boss)
    room = f"project:{project}"
    await live.add(project, UUID(ann.id), ProjectRole.CONTRIBUTOR)
    key = await made(ann, "room.join", "room.lock")
    robot, other = await live.open_by(key["key"]), await live.open(boss)
    for socket in (robot, other):
        await socket.ask("join", room=room)
    held = (await other.ask("lock", room=room, resource="a"))["lock"]
    await robot.ask("lock", room=room, resource="a", wait=True)
    await other.ask("unlock", room=room, resource="a", token=held["token"])
    await robot.event("lock.granted")
    await robot.ask("leave", room=room)
    await other.event("lock.granted")
    await other.event("lock.released")  # for the connection knows that it held it
    await ann.do("DELETE", f"/users/{ann.id}/api-keys/{key['id']}")
    assert await robot.closed() == 4001


async def test_a_socket_is_renewed_by_what_may_do_the_same(live: Live, api: Api) -> None:
    ann = await api.as_("member")
    wide, narrow = await made(ann, "read"), await made(ann, "room.join")
    for token, renewed in ((ann.token, narrow), (wide["key"], narrow)):
        socket = await live.open_by(token)
        await socket.until(lambda frame: frame["op"] == "joined")
        assert (await socket.ask("token", token=renewed["key"]))["code"] == "auth.other_user"
        assert await socket.closed() == 4001
    socket = await live.open_by(wide["key"])
    assert (await socket.ask("token", token=(await made(ann, "read"))["key"]))["op"] == "ack"
