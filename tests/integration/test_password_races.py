"""Another password, while somebody comes in with the old one: whatever is first, they are out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.integration.application import CHEAP
from tests.integration.conftest import PASSWORD, Api, Json, Person, refusal
from tests.integration.test_recovering import link, reset
from tests.integration.test_rest_auth import refresh
from tests.workers.office import until

NEW = "a new pass phrase"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@asynccontextmanager
async def changing(api: Api, person: Person) -> AsyncGenerator[None]:
    """Another password is about to be there: who writes with the old one waits for it."""
    new = await CHEAP.hash(NEW)
    async with api.runtime.db.connection() as db, db.transaction():
        await db.execute(
            "UPDATE formula_credentials SET hash = %s WHERE user_id = %s", (new, person.id)
        )
        yield


@asynccontextmanager
async def held(api: Api, person: Person) -> AsyncGenerator[None]:
    """Nobody gets another password meanwhile."""
    async with api.runtime.db.connection() as db, db.transaction():
        await db.execute(
            "SELECT FROM formula_credentials WHERE user_id = %s FOR UPDATE", (person.id,)
        )
        yield


async def waiting(api: Api, *tasks: asyncio.Task[httpx.Response]) -> None:
    """Until each waits for the lock, or did not need to."""

    async def there() -> bool:
        async with api.runtime.db.connection() as db:  # a transaction would see one moment alone
            row = await (await db.execute(WAITING)).fetchone()
        return row is not None and row[0] + sum(task.done() for task in tasks) >= len(tasks)

    await until(there)


async def is_out(api: Api, session: Json) -> None:
    here = Person(api.client, api.runtime.node, "", session["access_token"])
    assert await here.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert (await refresh(api, session)).status_code == 401


async def test_a_login_is_checked_again_where_it_begins(api: Api) -> None:
    ann = await api.as_("member")
    async with changing(api, ann):
        body = {"email": ann.email, "password": PASSWORD}
        coming = asyncio.create_task(api.post("/auth/login", body))
        await waiting(api, coming)
    assert refusal(await coming) == "401 auth.bad_credentials"
    assert await api.login(ann.email, NEW)


@pytest.mark.parametrize("by", ["admin", "link"])
async def test_what_the_old_password_lets_in_meanwhile_ends(api: Api, by: str) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    token = await link(api, ann)
    async with held(api, ann):
        if by == "admin":
            change = admin("PUT", f"/users/{ann.id}/password", {"password": NEW})
        else:
            change = reset(api, token, NEW)
        changed = asyncio.create_task(change)
        await waiting(api, changed)
        body = {"email": ann.email, "password": PASSWORD}
        coming = asyncio.create_task(api.post("/auth/login", body))
        await waiting(api, changed, coming)
    assert (await changed).status_code == 200
    answer = await coming
    if answer.status_code == 200:
        await is_out(api, answer.json())
    assert await api.login(ann.email, NEW)


async def test_who_knows_the_old_password_alone_sets_none_after_it(api: Api) -> None:
    ann = await api.as_("member")
    async with changing(api, ann):
        body = {"password": "a thief's pass phrase", "current": PASSWORD}
        late = asyncio.create_task(ann("PUT", f"/users/{ann.id}/password", body))
        await waiting(api, late)
    assert refusal(await late) == "403 auth.bad_password"
    assert await api.login(ann.email, NEW)


async def test_what_is_refused_leaves_the_password(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    path, body = f"/users/{ann.id}/password", {"password": NEW}
    assert await admin.refused("PUT", path, body, If_Match='"9"') == "412 version.changed"
    nobody = f"/users/{api.runtime.new_id()}/password"
    assert await admin.refused("PUT", nobody, body) == "404 user.not_found"
    assert await api.login(ann.email)
    assert (await ann("GET", "/auth/me")).status_code == 200


async def test_a_repeated_change_does_not_bring_an_older_password_back(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    path, newer = f"/users/{ann.id}/password", "a newer pass phrase"
    await admin.do("PUT", path, {"password": NEW}, Idempotency_Key="one")
    await admin.do("PUT", path, {"password": newer})
    await admin.do("PUT", path, {"password": NEW}, Idempotency_Key="one")
    assert await api.login(ann.email, newer)
