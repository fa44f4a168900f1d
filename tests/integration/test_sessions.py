"""One's log-ins: seen, ended one by one or all at once, by oneself or by an admin."""

from tests.integration.conftest import PASSWORD, Api, Json, Person, refusal
from tests.integration.sockets import Live
from tests.integration.test_rest_auth import refresh


def by(api: Api, session: Json) -> Person:
    return Person(api.client, api.runtime.node, "", session["access_token"])


async def test_one_sees_ones_logins_and_which_is_this(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    phone = await api.client.post(
        "/api/v1/auth/login",
        json={"email": ann.email, "password": PASSWORD},
        headers={"User-Agent": "a phone"},
    )
    shown = await by(api, phone.json()).get("/auth/sessions")
    assert [(one["user_agent"], one["current"]) for one in shown] == [
        ("a phone", True),
        (shown[1]["user_agent"], False),
    ]
    assert shown[0]["address"]
    assert shown[0]["started_at"] < shown[0]["expires_at"]
    again = (await refresh(api, phone.json())).json()
    (first, _) = await by(api, again).get("/auth/sessions")
    assert first["id"] == shown[0]["id"]
    assert first["started_at"] == shown[0]["started_at"] < first["seen_at"]
    assert len(await bob.get("/auth/sessions")) == 1


async def test_one_ends_a_login_elsewhere_and_no_other(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    session = await api.login(ann.email)
    there = by(api, session)
    (one,) = [one for one in await there.get("/auth/sessions") if one["current"]]
    assert await bob.refused("DELETE", f"/auth/sessions/{one['id']}") == "404 session.not_found"
    assert (await there("GET", "/auth/me")).status_code == 200
    assert (await ann("DELETE", f"/auth/sessions/{one['id']}")).status_code == 204
    assert await there.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"
    assert [one["current"] for one in await ann.get("/auth/sessions")] == [True]


async def test_one_ends_all_logins_at_once_and_may_sign_in_again(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    session = await api.login(ann.email)
    assert (await ann("POST", "/auth/logout-all")).status_code == 204
    for person in (ann, by(api, session)):
        assert await person.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"
    assert (await by(api, await api.login(ann.email))("GET", "/auth/me")).status_code == 200
    assert (await bob("GET", "/auth/me")).status_code == 200


async def test_an_admin_sees_and_ends_somebodys_logins_and_nobody_else_does(api: Api) -> None:
    admin, ann, bob = await api.as_("admin"), await api.as_("member"), await api.as_("manager")
    path = f"/users/{ann.id}/sessions"
    assert await bob.refused("GET", path) == "403 access.denied"
    assert await bob.refused("DELETE", path) == "403 access.denied"
    second = by(api, await api.login(ann.email))
    shown = await admin.get(path)
    assert [one["current"] for one in shown] == [False, False]
    assert (await admin("DELETE", f"{path}/{shown[0]['id']}")).status_code == 204
    assert await second.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert (await ann("GET", "/auth/me")).status_code == 200
    assert (await admin("DELETE", path)).status_code == 204
    assert await ann.refused("GET", "/auth/me") == "401 auth.signed_out"


async def test_another_password_ends_what_was_signed_in_at_once(api: Api) -> None:
    ann = await api.as_("member")
    new = {"password": "a new pass phrase", "current": PASSWORD}
    await ann.do("PUT", f"/users/{ann.id}/password", new)
    assert await ann.refused("GET", "/auth/me") == "401 auth.signed_out"


async def test_a_token_used_again_closes_its_logins_sockets_and_no_others(
    api: Api, live: Live
) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    second = (await refresh(api, first)).json()
    third = (await refresh(api, second)).json()
    stolen = [await live.open_by(one["access_token"]) for one in (first, third)]
    other = await live.open_by(ann.token)
    for socket in (*stolen, other):
        await socket.until(lambda frame: frame["op"] == "joined")
    assert refusal(await refresh(api, first)) == "401 auth.token_reused"
    assert [await socket.closed() for socket in stolen] == [4001, 4001]
    assert (await other.ask("join", room=f"user:{ann.id}"))["op"] == "joined"
