"""Bodies and headers that cannot be read are the caller's fault, and told as such."""

import pytest

from tests.integration.conftest import Api

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b'{"email":"\xff"}', b"[" * 50_000, b'{"a":' * 20_000, b"{", b"\x00"]
)
async def test_a_body_that_is_no_json_is_malformed(body: bytes, api: Api) -> None:
    answer = await api.client.post("/api/v1/auth/login", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "request.malformed"


@pytest.mark.parametrize("tag", ['"' + "9" * 5_000 + '"', '"x"', "7", '""'])
async def test_an_if_match_that_is_no_version_is_malformed(tag: str, api: Api) -> None:
    admin = await api.as_("admin")
    answer = await api.client.patch(
        f"/api/v1/users/{admin.id}",
        json={"name": "N"},
        headers={"authorization": f"Bearer {admin.token}", "if-match": tag},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "request.bad_if_match"
