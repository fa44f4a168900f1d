"""Logging in, staying logged in, and being thrown out."""

import asyncio
from datetime import datetime
from uuid import UUID

import httpx
import pytest
from argon2 import PasswordHasher

from infra import accounts
from tests.integration.conftest import CHEAP, PASSWORD, Api, Person, refusal


async def test_a_login_tells_who_one_is_and_lets_one_in(api: Api) -> None:
    ann = await api.as_("member")
    session = await api.login(ann.email.upper())
    assert session["user"]["id"] == ann.id
    assert (session["token_type"], session["expires_in"]) == ("Bearer", 900)
    me = Person(api.client, api.runtime.node, "", session["access_token"])
    assert await me.get("/auth/me") == session["user"]


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(api: Api) -> None:
    ann = await api.as_("member")
    wrong = await api.post("/auth/login", {"email": ann.email, "password": "not the password"})
    unknown = await api.post("/auth/login", {"email": "x@y.example", "password": PASSWORD})
    nonsense = await api.post("/auth/login", {"email": "no address", "password": PASSWORD})
    assert refusal(wrong) == "401 auth.bad_credentials"
    assert refusal(unknown) == refusal(nonsense) == refusal(wrong)


async def test_a_refresh_token_works_once_and_brings_the_next(api: Api) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    second = (await refresh(api, first)).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await refresh(api, second)).status_code == 200


async def test_a_refresh_token_used_twice_ends_its_login(api: Api) -> None:
    ann = await api.as_("member")
    other = await api.login(ann.email)
    first = await api.login(ann.email)
    second = (await refresh(api, first)).json()
    third = (await refresh(api, second)).json()
    thief = Person(api.client, api.runtime.node, "", third["access_token"])
    assert (await thief("GET", "/auth/me")).status_code == 200
    for _ in range(2):
        assert refusal(await refresh(api, first)) == "401 auth.token_reused"
    assert refusal(await refresh(api, third)) == "401 auth.bad_token"
    assert await thief.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert (await ann("GET", "/auth/me")).status_code == 200
    assert (await refresh(api, other)).status_code == 200  # another log-in of the same person


async def test_refreshes_at_once_and_again_after_a_lost_answer_bring_the_same_token(
    api: Api,
) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    answers = await asyncio.gather(*(refresh(api, first) for _ in range(5)))
    lost = await refresh(api, first)
    nexts = {answer.json()["refresh_token"] for answer in (*answers, lost)}
    assert len(nexts) == 1
    assert (await refresh(api, {"refresh_token": nexts.pop()})).status_code == 200


async def test_after_ten_seconds_a_spent_token_is_a_stolen_one(api: Api) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    second = (await refresh(api, first)).json()
    await aged(api, accounts.GRACE_S + 1)
    assert refusal(await refresh(api, first)) == "401 auth.token_reused"
    assert refusal(await refresh(api, second)) == "401 auth.bad_token"


async def test_a_login_that_nobody_uses_ends(api: Api) -> None:
    ann = await api.as_("member")
    (shown,) = await ann.get("/auth/sessions")
    lasts = datetime.fromisoformat(shown["expires_at"]) - datetime.fromisoformat(shown["seen_at"])
    assert lasts.total_seconds() == pytest.approx(api.runtime.settings.jwt_refresh_ttl_s, abs=60)
    session = await api.login(ann.email)
    async with api.runtime.db.connection() as db:
        await db.execute("UPDATE formula_refresh_tokens SET expires_at = clock_timestamp()")
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"


async def test_a_lost_answer_brings_nothing_back_that_was_ended(api: Api) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    second = (await refresh(api, first)).json()
    here = Person(api.client, api.runtime.node, "", second["access_token"])
    await here("POST", "/auth/logout")
    assert refusal(await refresh(api, first)) == "401 auth.token_reused"


async def aged(api: Api, seconds: float) -> None:
    """As if the tokens had been used so much earlier."""
    async with api.runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_refresh_tokens SET used_at = used_at - make_interval(secs => %s)",
            (seconds,),
        )


async def test_after_a_logout_its_tokens_are_void_and_other_logins_go_on(api: Api) -> None:
    ann = await api.as_("member")
    session = await api.login(ann.email)
    here = Person(api.client, api.runtime.node, "", session["access_token"])
    assert (await here("POST", "/auth/logout")).status_code == 204
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"
    assert await here.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert (await ann("GET", "/auth/me")).status_code == 200


async def test_a_deactivated_user_is_out_at_once(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    session = await api.login(ann.email)
    await admin.do("POST", f"/users/{ann.id}/deactivate", {"reason": "left"})
    assert await ann.refused("GET", "/auth/me") == "401 auth.deactivated"
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"
    again = await api.post("/auth/login", {"email": ann.email, "password": PASSWORD})
    assert refusal(again) == "401 auth.deactivated"
    await admin.do("POST", f"/users/{ann.id}/reactivate")
    assert await ann.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert await api.login(ann.email)


async def test_another_role_counts_at_once(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    assert await ann.refused("GET", "/audit") == "403 access.denied"
    await admin.do("PUT", f"/users/{ann.id}/role", {"role": "auditor"})
    assert (await ann("GET", "/audit")).status_code == 200


async def test_without_a_usable_token_nobody_gets_in(api: Api) -> None:
    ann = await api.as_("member")
    missing = await api.client.get("/api/v1/auth/me")
    assert refusal(missing) == "401 auth.missing"
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")
    for header in ("Bearer x", f"Basic {ann.token}", f"Bearer {ann.token[:-2]}"):
        assert (await ann("GET", "/auth/me", Authorization=header)).status_code == 401


async def test_one_changes_ones_password_with_the_old_one(api: Api) -> None:
    ann = await api.as_("member")
    session = await api.login(ann.email)
    path, new = f"/users/{ann.id}/password", "a new pass phrase"
    wrong = {"password": new, "current": "something else"}
    assert await ann.refused("PUT", path, {"password": new}) == "403 auth.bad_password"
    assert await ann.refused("PUT", path, wrong) == "403 auth.bad_password"
    await ann.do("PUT", path, {"password": new, "current": PASSWORD})
    assert await api.login(ann.email, new)
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"


async def test_one_changes_ones_address_with_the_password(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    for person in (admin, ann):
        path, new = f"/users/{person.id}", f"new.{person.email}"
        for wrong in ({}, {"current": "something else"}):
            answer = await person.refused("PATCH", path, {"email": new, **wrong})
            assert answer == "403 auth.bad_password"
        await person.do("PATCH", path, {"email": new, "current": PASSWORD})
        assert (await person.get("/auth/me"))["email"] == new
    await admin.do("PATCH", f"/users/{ann.id}", {"email": "by.admin@example.com"})


async def test_an_admin_sets_somebodys_password_without_the_old_one(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    await admin.do("PUT", f"/users/{ann.id}/password", {"password": "set by an admin"})
    assert await api.login(ann.email, "set by an admin")


async def test_a_password_has_12_to_128_characters(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    phrase, path = "abcd efgh ijkl mnop " * 10, f"/users/{ann.id}/password"
    body = {"email": "b@example.com", "name": "Bob", "role": "member"}
    for length in (11, 129):
        bad = {"password": phrase[:length]}
        assert await admin.refused("PUT", path, bad) == "422 request.invalid"
        assert await admin.refused("POST", "/users", {**body, **bad}) == "422 request.invalid"
    for length in (12, 64, 128):
        await admin.do("PUT", path, {"password": phrase[:length]})
        assert await api.login(ann.email, phrase[:length])


async def test_who_has_a_password_of_older_rules_comes_in_and_sets_a_longer_one(api: Api) -> None:
    for old in ("ten letter", "x" * 200):
        ann = await api.as_("member")
        await accounts.set_hash(api.runtime.db, UUID(ann.id), await CHEAP.hash(old))
        assert await api.login(ann.email, old)
        new = {"password": "a new pass phrase", "current": old}
        await ann.do("PUT", f"/users/{ann.id}/password", new)
        assert await api.login(ann.email, "a new pass phrase")


async def test_a_hash_made_with_older_parameters_is_made_anew_at_login(api: Api) -> None:
    ann = await api.as_("member")
    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    await accounts.set_hash(api.runtime.db, UUID(ann.id), old)
    await api.login(ann.email)
    new = await accounts.hash_of(api.runtime.db, UUID(ann.id))
    assert new is not None
    assert "t=1" in new
    assert await api.login(ann.email)


async def refresh(api: Api, session: dict[str, str]) -> httpx.Response:
    return await api.post("/auth/refresh", {"refresh_token": session["refresh_token"]})
