"""Whoever changes how an account comes in, its owner hears of it, where they heard till now."""

from uuid import UUID

from domain.preferences import Notice
from infra.settings import Settings
from tests.integration.conftest import PASSWORD, Api, Person
from tests.integration.test_mail_preferences import NOTHING, plain, post, prefers
from tests.integration.test_recovering import verified
from tests.integration.test_rest_auth import refresh
from tests.workers.office import Mailbox, Office

NEW = "a new pass phrase"


def told(mailbox: Mailbox) -> dict[tuple[str, str], str]:
    """The texts of mails by address and subject, but for links."""
    mails = [mail for mail in mailbox.received if "Is this your address" not in mail["Subject"]]
    found = {(mail["To"].addresses[0].addr_spec, mail["Subject"]): plain(mail) for mail in mails}
    assert len(found) == len(mails)
    return found


async def again(api: Api, person: Person) -> Person:
    """Signed in with the new password."""
    token = (await api.login(person.email, NEW))["access_token"]
    return Person(api.client, UUID(person.id), person.email, token)


async def test_a_password_and_a_key_are_told_whatever_one_prefers(
    api: Api, settings: Settings
) -> None:
    ann = await api.as_("member")
    for notice in Notice:
        await prefers(api.runtime, UUID(ann.id), notice, NOTHING)
    await ann.do("PUT", f"/users/{ann.id}/password", {"password": NEW, "current": PASSWORD})
    ann = await again(api, ann)
    body = {"name": "nightly", "scopes": ["read"]}
    key = await ann.do("POST", f"/users/{ann.id}/api-keys", body)
    async with post(settings) as mailbox:
        await Office(api.runtime).ended("mail_account", 2)
    texts = told(mailbox)
    made = "An API key was made for your account: “nightly”"
    assert set(texts) == {(ann.email, "Your password was changed"), (ann.email, made)}
    assert all("in your name, from 127.0.0.1" in text for text in texts.values())
    assert not [text for text in texts.values() if key["key"] in text or NEW in text]


async def test_a_stolen_token_is_told_once(api: Api, settings: Settings) -> None:
    ann = await api.as_("member")
    first = await api.login(ann.email)
    await refresh(api, (await refresh(api, first)).json())
    for _ in range(2):
        assert (await refresh(api, first)).status_code == 401
    async with post(settings) as mailbox:
        await Office(api.runtime).ended("mail_account", 1)
    ((to, subject),) = told(mailbox)
    assert to == ann.email
    assert "used twice" in subject


async def test_another_address_is_told_to_the_one_before(api: Api, settings: Settings) -> None:
    """Also where it has moved on by the time that the mail goes."""
    admin, ann = await api.as_("admin"), await api.as_("member")
    for email in ("second@example.com", "third@example.com"):
        await admin.do("PATCH", f"/users/{ann.id}", {"email": email})
    await admin.do("PUT", f"/users/{ann.id}/password", {"password": NEW})
    async with post(settings) as mailbox:
        await Office(api.runtime).ended("mail_account", 3)
    texts = told(mailbox)
    moved = "Your account has another address"
    assert set(texts) == {
        (ann.email, moved),
        ("second@example.com", moved),
        ("third@example.com", "Your password was changed"),
    }
    assert all(", by Admin." in text for text in texts.values())
    assert not [text for text in texts.values() if "@example.com" in text]


async def test_what_an_unverified_address_might_hide_is_told_to_the_verified_one(
    api: Api, settings: Settings
) -> None:
    admin, ann = await api.as_("admin"), await api.as_("member")
    await verified(api, ann, ann.email)
    await admin.do("PATCH", f"/users/{ann.id}", {"email": "second@example.com"})
    await admin.do("PUT", f"/users/{ann.id}/password", {"password": NEW})
    async with post(settings) as mailbox:
        await Office(api.runtime).ended("mail_account", 2)
    assert {to for to, _ in told(mailbox)} == {ann.email}
