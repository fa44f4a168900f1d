"""How much one may ask of REST: by user with a token, by address without, and to sign in."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from infra.limits import lifted
from infra.settings import Settings
from tests.integration.conftest import PASSWORD, Api, Json, Person, refusal

STRANGERS, USERS, ATTEMPTS = 6, 9, 3


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        lifted(settings),
        rate_limit_max_requests=STRANGERS,
        rate_limit_user_max_requests=USERS,
        rate_limit_login_attempts=ATTEMPTS,
    )


async def test_who_has_no_token_is_limited_by_address(api: Api) -> None:
    answers = [await api.client.get("/api/v1/auth/me") for _ in range(STRANGERS + 1)]
    assert [refusal(one) for one in answers[:-1]] == ["401 auth.missing"] * STRANGERS
    last = answers[-1]
    assert refusal(last) == "429 rate.limited"
    window_s = api.runtime.settings.rate_limit_window_ms / 1_000
    assert 0 < int(last.headers["Retry-After"]) <= window_s / STRANGERS + 1
    assert last.json()["retry_after"] == int(last.headers["Retry-After"])
    assert last.headers["X-Request-ID"]
    assert (await api.client.get("/livez")).status_code == 200, "nobody is cut off from probes"


async def test_who_uploads_too_often_hears_it_in_tus_s_words(api: Api) -> None:
    path = "/api/v1/realtime/files/tus"
    for where in (path, f"{path}/{UUID(int=1)}", f"{path}/nothing"):
        refused = await api.client.patch(where)
        assert refused.headers["Tus-Resumable"] == "1.0.0", where
    for _ in range(STRANGERS):
        refused = await api.client.head(f"{path}/{UUID(int=1)}")
    assert (refused.status_code, refused.headers["Tus-Resumable"]) == (429, "1.0.0")
    assert "Tus-Resumable" not in (await api.client.get("/api/v1/auth/me")).headers


async def test_links_of_mails_cannot_be_guessed(api: Api) -> None:
    path = "/api/v1/unsubscribe?token=" + "A" * 60
    answers = [await api.client.post(path) for _ in range(STRANGERS + 1)]
    assert [one.status_code for one in answers] == [422] * STRANGERS + [429]


async def test_who_has_a_token_is_limited_by_user(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    statuses = [(await ann("GET", "/auth/me")).status_code for _ in range(USERS + 1)]
    assert statuses == [200] * USERS + [429]
    assert (await bob("GET", "/auth/me")).status_code == 200


async def test_a_token_that_does_not_hold_is_as_good_as_none(api: Api) -> None:
    ann = await api.as_("member")  # one request of the address
    forged = f"Bearer {ann.token[:-4]}AAAA"
    answers = [await ann("GET", "/auth/me", Authorization=forged) for _ in range(STRANGERS)]
    assert [one.status_code for one in answers] == [401] * (STRANGERS - 1) + [429]
    assert (await ann("GET", "/auth/me")).status_code == 200


async def used_up(api: Api) -> None:
    """By somebody without a token, at the address that all of these tests come from."""
    told = [await api.client.get("/api/v1/auth/me") for _ in range(STRANGERS + 1)]
    assert told[-1].status_code == 429


def signing_in(ann: Person, device: str) -> Json:
    return {"email": ann.email, "password": PASSWORD, "device": device}


async def test_a_stranger_at_ones_address_keeps_nobody_out_who_was_in_before(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    here, his = await api.login(ann.email), await api.login(bob.email)
    await used_up(api)
    new = await api.post("/auth/login", {"email": ann.email, "password": PASSWORD})
    assert refusal(new) == "429 rate.limited"
    for wrong in (his["device"], f"{here['device'][:-4]}AAAA", here["refresh_token"], "x" * 75):
        assert refusal(await api.post("/auth/login", signing_in(ann, wrong))) == "429 rate.limited"
    assert (await api.post("/auth/login", signing_in(ann, here["device"]))).status_code == 200
    for wrong in ("x" * 43, here["device"], f"{here['refresh_token'][:-4]}AAAA"):
        refused = await api.post("/auth/refresh", {"refresh_token": wrong})
        assert refusal(refused) == "429 rate.limited"
    renewed = await api.post("/auth/refresh", {"refresh_token": here["refresh_token"]})
    again = await api.post("/auth/refresh", {"refresh_token": renewed.json()["refresh_token"]})
    assert (renewed.status_code, again.status_code) == (200, 200)


async def test_who_was_in_before_is_limited_as_well_each_for_themselves(api: Api) -> None:
    ann, bob = await api.as_("member"), await api.as_("member")
    here, his = await api.login(ann.email), await api.login(bob.email)
    body, stolen = signing_in(ann, here["device"]), f"{'x' * 43}{here['refresh_token'][43:]}"
    told = [await api.post("/auth/login", body) for _ in range(STRANGERS + 1)]
    assert [one.status_code for one in told] == [200] * STRANGERS + [429]
    told = [await api.post("/auth/refresh", {"refresh_token": stolen}) for _ in told]
    assert [one.status_code for one in told] == [401] * STRANGERS + [429]
    assert (await api.post("/auth/login", signing_in(bob, his["device"]))).status_code == 200
    long = signing_in(bob, his["device"]) | {"password": " " * 10_000}
    await used_up(api)
    assert refusal(await api.post("/auth/login", long)) == "429 rate.limited", "not even read"


async def test_whose_token_has_run_out_is_told_so_also_beside_a_stranger(api: Api) -> None:
    ann = await api.as_("member")
    await used_up(api)
    api.runtime.clock._base += timedelta(minutes=16)  # pyright: ignore[reportPrivateUsage]
    assert await ann.refused("GET", "/auth/me") == "401 auth.expired"
    public = await ann("POST", "/auth/password/forgot", {"email": ann.email})
    assert refusal(public) == "429 rate.limited"


async def test_passwords_cannot_be_guessed(api: Api) -> None:
    ann = await api.as_("member")  # a right one does not count
    wrong = {"email": ann.email, "password": "not the password"}
    answers = [await api.post("/auth/login", wrong) for _ in range(ATTEMPTS + 1)]
    assert [one.status_code for one in answers] == [401] * ATTEMPTS + [429]
    assert int(answers[-1].headers["Retry-After"]) > 1
    right = await api.post("/auth/login", {"email": ann.email.upper(), "password": PASSWORD})
    assert refusal(right) == "429 rate.limited", "nor would one know that it was found"


async def test_probes_are_not_counted_among_requests(api: Api) -> None:
    admin = await api.as_("admin")
    for probe in ("/livez", "/readyz", "/startupz"):
        await api.client.get(probe)
    headers = {"Authorization": f"Bearer {admin.token}"}
    await api.client.get("/metrics", headers=headers)  # one of them itself
    told = (await api.client.get("/metrics", headers=headers)).text
    assert 'route="/api/v1/auth/login"' in told
    assert not any(f'route="{one}"' in told for one in ("/livez", "/readyz", "/metrics"))
