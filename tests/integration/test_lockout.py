"""Passwords cannot be guessed, and nobody is kept out by who tries."""

from typing import Any, cast

import httpx
import msgspec
import pytest

from infra.limits import ANYWHERE
from infra.settings import Settings
from tests.integration.conftest import PASSWORD, Api, Json

ATTEMPTS = 3
HOME, ATTACKER = "203.0.113.1", "198.51.100.1"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, rate_limit_login_attempts=ATTEMPTS)


async def login(
    api: Api, address: str, email: str, password: str = PASSWORD, device: str = ""
) -> httpx.Response:
    transport = httpx.ASGITransport(cast(Any, api.app), client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        body = {"email": email, "password": password, "device": device}
        return await client.post("/api/v1/auth/login", json=body)


async def besieged(api: Api, email: str) -> int:
    """Wrong passwords from ever new addresses, until none is let try any more; how many were."""
    for number in range(1, 200):
        answer = await login(api, f"198.51.{number}.1", email, "not the password")
        if answer.status_code == 429:
            return number - 1
        assert answer.status_code == 401
    raise AssertionError("an attacker from many addresses is not bounded")


async def test_an_attacker_from_everywhere_is_bounded(api: Api) -> None:
    ann = await api.as_("member")
    assert await besieged(api, ann.email) == ATTEMPTS * ANYWHERE
    found = await login(api, ATTACKER, ann.email)
    assert found.status_code == 429, "nor would one know that it was found"


async def test_who_signed_in_from_there_before_gets_in_under_attack(api: Api) -> None:
    ann = await api.as_("member")
    assert (await login(api, HOME, ann.email)).status_code == 200
    await besieged(api, ann.email)
    assert (await login(api, HOME, ann.email)).status_code == 200
    assert (await login(api, "203.0.113.99", ann.email)).status_code == 429


async def test_a_device_gets_in_under_attack_wherever_it_is_even_beside_the_attacker(
    api: Api,
) -> None:
    ann = await api.as_("member")
    device = (await login(api, HOME, ann.email)).json()["device"]
    await besieged(api, ann.email)
    for _ in range(ATTEMPTS + 1):
        await login(api, HOME, ann.email, "not the password")  # from her own network
    assert (await login(api, HOME, ann.email)).status_code == 429
    for address in (HOME, "203.0.113.99", ATTACKER):
        assert (await login(api, address, ann.email, device=device)).status_code == 200


async def test_a_device_is_bounded_as_well_and_good_for_one_account(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    device: Json = (await login(api, HOME, ann.email)).json()["device"]
    wrong = [await login(api, HOME, ann.email, "wrong", device) for _ in range(ATTEMPTS + 1)]
    assert [one.status_code for one in wrong] == [401] * ATTEMPTS + [429]
    await besieged(api, bob.email)
    assert (await login(api, "203.0.113.99", bob.email, device=device)).status_code == 429
    forged = device[:-4] + ("AAAA" if device[-4:] != "AAAA" else "BBBB")
    await besieged(api, ann.email)
    assert (await login(api, "203.0.113.99", ann.email, device=forged)).status_code == 429


async def test_the_password_of_an_open_session_cannot_be_guessed_either(api: Api) -> None:
    ann = await api.as_("member")
    body, path = {"password": "a new pass phrase", "current": "wrong"}, f"/users/{ann.id}/password"
    refused = [await ann.refused("PUT", path, body) for _ in range(ATTEMPTS + 1)]
    assert refused == ["403 auth.bad_password"] * ATTEMPTS + ["429 rate.limited"]
    assert (await login(api, HOME, ann.email)).status_code == 200
