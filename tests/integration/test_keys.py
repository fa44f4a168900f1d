"""Keys that sign access tokens: rotated and retired while nodes run, told to others, kept apart."""

import json
from collections.abc import Awaitable, Callable

import jwt
import pytest
from jwt import PyJWK

from infra.keyring import HS256
from infra.runtime import Runtime, open_runtime
from infra.signing_keys import LEAD_S, make_first, read_pairs
from tests.integration.command import formula
from tests.integration.conftest import Api, Json, Person
from tests.integration.reading import asking, http
from tests.integration.sockets import Live
from tests.workers.office import until

JWKS = "/.well-known/jwks.json"


def kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


async def keys(runtime: Runtime, *arguments: str) -> Json:
    code, out, err = await formula(runtime, "keys", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


async def due(runtime: Runtime) -> None:
    """As if the minute before a new key's first signature had passed."""
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_keys SET signs_from = signs_from - make_interval(secs => %s)",
            (LEAD_S,),
        )


def signs(runtime: Runtime, name: str) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        return runtime.keys.signing(runtime.now()).kid == name

    return condition


async def test_a_rotation_signs_nobody_out_and_reaches_nodes_that_run(api: Api, live: Live) -> None:
    ann = await api.as_("member")
    shared = kid(ann.token)
    assert jwt.get_unverified_header(ann.token)["alg"] == HS256
    assert (await api.client.get(JWKS)).json() == {"keys": []}
    first = (await keys(api.runtime, "rotate"))["kid"]
    (shown,) = await keys(api.runtime, "list")
    assert (shown["kid"], shown["state"]) == (first, "next")

    async def published() -> bool:
        return bool((await api.client.get(JWKS)).json()["keys"])

    await until(published)
    session = await api.login(ann.email)
    assert kid(session["access_token"]) == shared, "its time has not come"
    await due(api.runtime)
    await until(signs(api.runtime, first))
    session = await api.login(ann.email)
    assert jwt.get_unverified_header(session["access_token"])["alg"] == "EdDSA"
    assert kid(session["access_token"]) == first
    await until(signs(live.runtime, first))
    async with asking(http(live)) as other:  # another node
        for token in (ann.token, session["access_token"]):
            answer = await other.get(
                "/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 200, answer.text


async def test_others_check_our_tokens_by_what_is_published(api: Api) -> None:
    async with api.runtime.db.connection() as db:
        await make_first(db, api.runtime.settings.jwt_secret)
    await api.runtime.keys.load(api.runtime.db)
    ann = await api.as_("member")
    answer = await api.client.get(JWKS)
    assert answer.headers["Cache-Control"] == f"public, max-age={LEAD_S}"
    (published,) = answer.json()["keys"]
    assert set(published) == {"kid", "x", "kty", "crv", "alg", "use"}, "nothing that is private"
    content = jwt.decode(
        ann.token, PyJWK(published), algorithms=["EdDSA"], audience="formula", issuer="formula"
    )
    assert content["sub"] == ann.id


async def test_a_retired_key_ends_what_it_signed_and_another_signs_at_once(api: Api) -> None:
    async with api.runtime.db.connection() as db:
        first = await make_first(db, api.runtime.settings.jwt_secret)
        assert first
        assert await make_first(db, api.runtime.settings.jwt_secret) is None
    await api.runtime.keys.load(api.runtime.db)
    ann = await api.as_("member")
    session = await api.login(ann.email)
    second = (await keys(api.runtime, "retire", first))["follows"]
    await until(signs(api.runtime, second))
    assert await ann.refused("GET", "/auth/me") == "401 auth.bad_token"
    body = {"refresh_token": session["refresh_token"]}
    token = (await api.post("/auth/refresh", body)).json()["access_token"]
    assert kid(token) == second, "nobody has to sign in anew"
    here = Person(api.client, api.runtime.node, "", token)
    assert (await here("GET", "/auth/me")).status_code == 200
    states = {one["kid"]: one["state"] for one in await keys(api.runtime, "list")}
    assert states == {first: "retired", second: "signs"}


async def test_a_key_that_waits_takes_over_from_a_retired_one(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        first = await make_first(db, runtime.settings.jwt_secret)
    waiting = (await keys(runtime, "rotate"))["kid"]
    states = [one["state"] for one in await keys(runtime, "list")]
    assert states == ["signs", "next"]
    assert (await keys(runtime, "retire", first or ""))["follows"] == waiting
    assert [one["state"] for one in await keys(runtime, "list")] == ["retired", "signs"]


async def test_what_cannot_be_done_is_said_in_a_line(runtime: Runtime) -> None:
    code, _, err = await formula(runtime, "keys", "retire", "unknown")
    assert (code, err.strip().count("\n")) == (1, 0)
    assert "key.not_found" in err
    code, out, _ = await formula(runtime, "keys", "list")
    assert (code, out.strip()) == (0, "no keys: JWT_SECRET signs, until `formula keys rotate`")


async def test_who_reads_the_table_cannot_sign(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        await make_first(db, runtime.settings.jwt_secret)
        (pair,) = await read_pairs(db)
    private = pair.open([runtime.settings.jwt_secret])
    assert private is not None
    assert private.private_bytes_raw() not in pair.sealed
    assert pair.open(["another-secret-that-is-long-enough"]) is None


@pytest.mark.parametrize("table", ["formula_keys", "formula_api_keys"])
async def test_analysts_do_not_see_it(runtime: Runtime, table: str) -> None:
    code, _, err = await formula(runtime, "query", f"TABLE {table}")
    assert code == 1
    assert "permission denied" in err


async def test_a_process_starts_on_a_database_that_is_not_migrated_yet(runtime: Runtime) -> None:
    async with runtime.db.connection() as db:
        await db.execute("DROP TABLE formula_keys")
    async with open_runtime(runtime.settings) as older:
        assert older.keys.signing(older.now()).algorithm == HS256
