"""The second line of defence: secrets that some code did log do not get into the line."""

from typing import Any, cast

import pytest

from infra.redaction import MASK, redacting
from infra.settings import Settings

SETTINGS = Settings(
    jwt_secret="the-jwt-secret",
    database_url="host=/run/x user=formula password='pg pass%1' port=1",
    redis_url="redis://:redis%2Dpass@127.0.0.1:1",
    redis_password="hunter22",
    aws_secret_access_key="aws/Secret+Key",
    local_storage_key=f"{'A' * 43}=,{'B' * 43}=",
    smtp_url="smtp://formula:smtp-pass@mail.example.org:25",
    metrics_token="short",
    otel_exporter_otlp_headers="x-key=collector-key",
)
SECRETS = (
    "the-jwt-secret",
    "pg pass%1",
    "redis%2Dpass",
    "redis-pass",
    "hunter22",
    "aws/Secret+Key",
    f"{'A' * 43}=",
    f"{'B' * 43}=",
    "smtp-pass",
    "collector-key",
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl-_"


def redacted(**event: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", redacting(SETTINGS)(None, "info", event))


@pytest.mark.parametrize("secret", SECRETS)
def test_the_settings_secrets_are_masked_wherever_they_are(secret: str) -> None:
    line = redacted(
        event=f"failed with {secret}!",
        error=ValueError(f"({secret})"),
        exception=[{"frames": [{"line": secret}], "value": {"deep": secret.encode()}}],
    )
    assert secret not in str(line)
    assert line["event"] == f"failed with {MASK}!"
    assert str(line).count(MASK) == 4


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"got {JWT} there", f"got {MASK} there"),
        ("Authorization: Bearer abc.def-1", f"Authorization: Bearer {MASK}"),
        ("at https://ann:pw@host/x", f"at https://{MASK}@host/x"),
        ("/f?size=1&signature=abc&x=2", f"/f?size=1&{MASK}&x=2"),
        ("/f?X-Amz-Signature=abc", f"/f?{MASK}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", MASK),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, left: str) -> None:
    assert redacted(event=text)["event"] == left


@pytest.mark.parametrize(
    "name", ["password", "new_password", "refresh_token", "Set-Cookie", "apikey"]
)
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    assert redacted(event="x", body={name: "whatever"})["body"] == {name: MASK}


def test_what_is_none_stays_as_it_is() -> None:
    line = {
        "event": "token_renewed in room project:1",
        "tokens": 5,
        "token": 7,
        "keyboard": "qwerty",
        "short": "short",
        "path": "/api/v1/tasks?limit=5",
        "none": None,
    }
    assert redacted(**line) == line
