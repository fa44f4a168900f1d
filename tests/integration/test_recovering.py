"""Links of mails: another password for who has lost theirs, an address that is one's own."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from email import message_from_bytes, policy
from uuid import UUID

import msgspec
import pytest
from psycopg import sql

from domain.job_args import MailEmailVerification, MailPasswordReset
from infra import accounts
from infra.proofs import Purpose, prove, way_in
from infra.settings import Settings
from tests.integration.conftest import PASSWORD, Api, Json, Person, refusal
from tests.integration.test_rest_auth import refresh
from tests.workers.office import QUICK, until
from workers.main import run_worker

NEW = "another pass phrase"


@pytest.fixture
async def working(api: Api) -> AsyncIterator[Api]:
    """With a worker, whose mails go to a folder."""
    running = asyncio.create_task(run_worker(api.runtime.settings, ["email"], QUICK))
    yield api
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def mails(api: Api, to: str) -> list[str]:
    """The texts of what somebody was sent, oldest first."""
    found: list[str] = []
    for path in sorted(api.runtime.settings.mailbox.glob("*.eml")):
        mail = message_from_bytes(path.read_bytes(), policy=policy.default)
        if to in str(mail["To"]):
            body = mail.get_body(("plain",))
            assert body is not None
            found.append(body.get_content())
    return found


async def mailed(api: Api, to: str, number: int = 1) -> str:
    """The token of the newest mail's link."""

    async def there() -> list[str]:
        texts = mails(api, to)
        return texts if len(texts) >= number else []

    text = (await until(there))[-1]
    (token,) = re.findall(r"/api/v1/auth/pages/\w+\?token=([\w-]+)", text)
    return token


async def reset(api: Api, token: str, password: str = NEW) -> Json:
    return await api.post("/auth/password/reset", {"token": token, "password": password})


async def link(api: Api, person: Person, after: timedelta = timedelta(minutes=30)) -> str:
    """As the worker makes it."""
    since = await accounts.password_since(api.runtime.db, UUID(person.id))
    assert since
    until_s = int((api.runtime.now() + after).timestamp())
    bound = way_in(since, person.email)
    return prove(api.runtime.settings, Purpose.RESET, UUID(person.id), until_s, bound)


async def test_who_has_lost_the_password_sets_another_by_mail(working: Api) -> None:
    api = working
    ann = await api.as_("member")
    session = await api.login(ann.email)
    assert (await api.post("/auth/password/forgot", {"email": ann.email})).status_code == 202
    token = await mailed(api, ann.email)
    answer = await reset(api, token)
    assert answer.status_code == 200, answer.text
    here = Person(api.client, api.runtime.node, "", answer.json()["access_token"])
    assert (await here("GET", "/auth/me")).status_code == 200
    assert await ann.refused("GET", "/auth/me") == "401 auth.signed_out"
    assert refusal(await refresh(api, session)) == "401 auth.bad_token"
    old = await api.post("/auth/login", {"email": ann.email, "password": PASSWORD})
    assert refusal(old) == "401 auth.bad_credentials"
    assert await api.login(ann.email, NEW)
    assert refusal(await reset(api, token, "yet another phrase")) == "422 auth.bad_link"


async def test_nobody_learns_from_it_who_has_an_account(working: Api) -> None:
    api = working
    ann = await api.as_("member")
    known = await api.post("/auth/password/forgot", {"email": ann.email})
    unknown = await api.post("/auth/password/forgot", {"email": "x@y.example"})
    nonsense = await api.post("/auth/password/forgot", {"email": "no address"})
    answers = {(one.status_code, one.content) for one in (known, unknown, nonsense)}
    assert answers == {(202, b"null")}
    await mailed(api, ann.email)
    assert len(list(api.runtime.settings.mailbox.glob("*.eml"))) == 1


async def test_of_two_who_use_a_link_at_once_one_does(api: Api) -> None:
    ann = await api.as_("member")
    token = await link(api, ann)
    words = [f"another pass phrase {number}" for number in range(4)]
    answers = await asyncio.gather(*(reset(api, token, one) for one in words))
    won = [word for word, one in zip(words, answers, strict=True) if one.status_code == 200]
    assert len(won) == 1
    assert {refusal(one) for one in answers if one.status_code != 200} == {"422 auth.bad_link"}
    assert await api.login(ann.email, won[0])


async def test_a_link_ends_with_its_time_and_with_the_password_that_it_was_for(api: Api) -> None:
    ann = await api.as_("member")
    over, good = await link(api, ann, timedelta(seconds=-1)), await link(api, ann)
    assert refusal(await reset(api, over)) == "422 auth.link_expired"
    await ann.do("PUT", f"/users/{ann.id}/password", {"password": NEW, "current": PASSWORD})
    assert refusal(await reset(api, good)) == "422 auth.bad_link"


async def test_a_link_ends_with_the_address_that_it_was_mailed_to(working: Api) -> None:
    api = working
    admin, ann = await api.as_("admin"), await api.as_("member")
    await api.post("/auth/password/forgot", {"email": ann.email})
    token = await mailed(api, ann.email)
    await admin.do("PATCH", f"/users/{ann.id}", {"email": "ann@example.com"})
    assert refusal(await reset(api, token)) == "422 auth.bad_link"
    assert await api.login("ann@example.com")


async def test_a_link_is_good_for_one_person_and_one_purpose(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    settings, now = api.runtime.settings, api.runtime.now()
    until_s = int((now + timedelta(minutes=5)).timestamp())
    since = await accounts.password_since(api.runtime.db, UUID(ann.id))
    assert since
    good = way_in(since, ann.email)
    verify = prove(settings, Purpose.VERIFY, UUID(ann.id), until_s, ann.email)
    others = msgspec.structs.replace(settings, jwt_secret="another-secret-that-is-as-long")
    for wrong in (
        prove(settings, Purpose.VERIFY, UUID(ann.id), until_s, good),
        prove(settings, Purpose.RESET, UUID(bob.id), until_s, good),
        prove(settings, Purpose.RESET, UUID(int=9), until_s, good),
        prove(settings, Purpose.RESET, UUID(ann.id), until_s, since),
        prove(others, Purpose.RESET, UUID(ann.id), until_s, good),
        verify,
        "x",
        "é" * 75,
        "A" * 75,
    ):
        assert refusal(await reset(api, wrong)) == "422 auth.bad_link"
    wrong = await api.post("/auth/email/verify", {"token": await link(api, ann)})
    assert refusal(wrong) == "422 auth.bad_link"
    assert await api.login(ann.email)


async def test_a_reset_keeps_to_the_rules_of_passwords_and_leaves_the_link(api: Api) -> None:
    ann = await api.as_("member")
    token = await link(api, ann)
    assert refusal(await reset(api, token, "123456789012")) == "422 password.too_common"
    assert refusal(await reset(api, token, "elevenchars")) == "422 request.invalid"
    assert (await reset(api, token)).status_code == 200


async def test_who_was_deactivated_does_not_come_back_by_a_link(api: Api) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    token = await link(api, ann)
    await admin.do("POST", f"/users/{ann.id}/deactivate", {})
    assert refusal(await reset(api, token)) == "401 auth.deactivated"


async def test_a_new_address_is_verified_by_its_own_mail_once(working: Api) -> None:
    api = working
    admin = await api.as_("admin")
    body = {"email": "bo@example.com", "name": "Bo", "role": "member", "password": "x1y2z3a4b5c6"}
    bo = await admin.do("POST", "/users", body)
    path = f"/users/{bo['id']}"
    assert (await admin.get(path))["email_verified"] is False
    first = await mailed(api, "bo@example.com")
    await admin.do("PATCH", path, {"email": "bob@example.com"})
    second = await mailed(api, "bob@example.com")
    stale = await api.post("/auth/email/verify", {"token": first})
    assert refusal(stale) == "422 auth.bad_link"
    assert (await api.post("/auth/email/verify", {"token": second})).status_code == 204
    again = await api.post("/auth/email/verify", {"token": second})
    assert refusal(again) == "409 auth.link_used"

    async def shown() -> bool:
        return (await admin.get(path))["email_verified"]

    await until(shown)
    here = Person(
        api.client,
        api.runtime.node,
        "",
        (await api.login("bob@example.com", body["password"]))["access_token"],
    )
    assert (await here.get("/auth/me"))["email_verified"] is True
    assert await here.refused("POST", "/auth/email/resend") == "409 user.email_verified"


async def verified(api: Api, person: Person, email: str) -> None:
    until_s = int((api.runtime.now() + timedelta(minutes=5)).timestamp())
    token = prove(api.runtime.settings, Purpose.VERIFY, UUID(person.id), until_s, email)
    assert (await api.post("/auth/email/verify", {"token": token})).status_code == 204


async def forgets(api: Api, email: str) -> None:
    assert (await api.post("/auth/password/forgot", {"email": email})).status_code == 202


async def test_until_another_address_is_verified_one_comes_back_by_the_old_one(
    working: Api,
) -> None:
    """Whichever of the two one says: who has mistyped it knows the old one alone."""
    api, typo = working, "somebody.else@example.com"
    ann = await api.as_("member")
    await verified(api, ann, ann.email)
    await ann.do("PATCH", f"/users/{ann.id}", {"email": typo, "current": PASSWORD})
    asked = await mailed(api, typo)
    assert refusal(await reset(api, asked)) == "422 auth.bad_link", "it asks whose it is"
    for number, email in enumerate((typo, ann.email), 1):
        await forgets(api, email)
        await until(lambda n=number: links(api, ann.email, n))
    assert len(mails(api, typo)) == 1
    taken = {"email": ann.email, "name": "Eve", "role": "member", "password": "x1y2z3a4b5c6"}
    admin = await api.as_("admin")
    assert await admin.refused("POST", "/users", taken) == "409 email.taken"
    token = (await links(api, ann.email, 2))[-1]
    await verified(api, ann, typo)
    assert refusal(await reset(api, token)) == "422 auth.bad_link", "it was mailed elsewhere"
    await admin.do("POST", "/users", taken)
    await forgets(api, typo)
    assert (await reset(api, (await until(lambda: links(api, typo, 1)))[-1])).status_code == 200


async def links(api: Api, to: str, least: int) -> list[str]:
    """The tokens that set a password, once there are so many."""
    found = [re.findall(r"/pages/reset\?token=([\w-]+)", text) for text in mails(api, to)]
    tokens = [token for (token,) in filter(None, found)]
    return tokens if len(tokens) >= least else []


async def test_a_changed_address_that_nobody_has_verified_sets_no_password(working: Api) -> None:
    api, moved = working, "moved@example.com"
    admin, ann = await api.as_("admin"), await api.as_("member")
    await admin.do("PATCH", f"/users/{ann.id}", {"email": moved})
    await mailed(api, moved)
    await forgets(api, moved)
    token = await mailed(api, moved, 2)
    assert refusal(await reset(api, token)) == "422 auth.bad_link"
    assert (await api.post("/auth/email/verify", {"token": token})).status_code == 204
    await forgets(api, moved)
    assert (await reset(api, await mailed(api, moved, 3))).status_code == 200


async def test_one_asks_for_another_link(working: Api) -> None:
    api = working
    ann = await api.as_("member")
    assert (await ann("POST", "/auth/email/resend")).status_code == 202
    token = await mailed(api, ann.email)
    assert (await api.post("/auth/email/verify", {"token": token})).status_code == 204


async def test_pages_of_links_work_without_a_client(api: Api) -> None:
    ann = await api.as_("member")
    page = f"/api/v1/auth/pages/reset?token={await link(api, ann)}"
    shown = await api.client.get(page)
    assert shown.status_code == 200
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert "form-action 'self'" in shown.headers["Content-Security-Policy"]
    assert (await api.login(ann.email))["user"]["id"] == ann.id, "a look changes nothing"
    short = await api.client.post(page, data={"password": "short"})
    assert refusal(short) == "422 password.bad_length"
    done = await api.client.post(page, data={"password": "my own & only phrase"})
    assert "is set" in done.text
    assert await api.login(ann.email, "my own & only phrase")
    until_s = int((api.runtime.now() + timedelta(minutes=5)).timestamp())
    token = prove(api.runtime.settings, Purpose.VERIFY, UUID(ann.id), until_s, ann.email)
    page = f"/api/v1/auth/pages/verify?token={token}"
    assert "<button>" in (await api.client.get(page)).text
    assert "Thank you" in (await api.client.post(page)).text
    hostile = "/api/v1/auth/pages/verify?token=%22%3E%3Cscript%3E"
    assert "<script>" not in (await api.client.get(hostile)).text


async def test_neither_the_log_nor_a_job_has_a_link(working: Api) -> None:
    api = working
    ann = await api.as_("member")
    await api.post("/auth/password/forgot", {"email": ann.email})
    token = await mailed(api, ann.email)
    async with api.runtime.db.connection() as db:
        for table in ("formula_events", "formula_jobs", "formula_job_log"):
            named = sql.Identifier(table)
            cursor = await db.execute(sql.SQL("SELECT t::text FROM {} t").format(named))
            assert not [row for (row,) in await cursor.fetchall() if token in row]


async def test_only_operators_ask_for_others_mails(api: Api) -> None:
    ann = await api.as_("member")
    for kind in (MailPasswordReset, MailEmailVerification):
        tag = kind.__struct_config__.tag
        body = {"args": {"type": tag, "user": ann.id}}
        assert await ann.refused("POST", "/realtime/jobs", body) == "403 access.denied"


class Limited:
    """Where mails to an account are limited."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, rate_limit_login_attempts=10)


class TestLimited(Limited):
    async def test_nobody_is_flooded_with_links(self, working: Api) -> None:
        api = working
        ann, bob = await api.as_("member"), await api.as_("member")
        for _ in range(6):
            answer = await api.post("/auth/password/forgot", {"email": ann.email})
            assert answer.status_code == 202, "nor does the limit tell"
        await mailed(api, ann.email, 3)
        await api.post("/auth/password/forgot", {"email": bob.email})
        await mailed(api, bob.email)
        assert len(mails(api, ann.email)) == 3
