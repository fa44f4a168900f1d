"""Links to the CDN, checked as CloudFront does: with the public key alone."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from msgspec.structs import replace

from infra.blobs.cloudfront import CloudFront
from infra.settings import Settings, SettingsError, load_settings
from tests.blobs.conftest import in_s3, now, opened

EXPIRES = datetime(2030, 1, 31, 12, tzinfo=UTC)
KEY = generate_private_key(65_537, 2_048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SETTINGS = Settings(
    cloudfront_url="https://d111.cloudfront.net/",
    cloudfront_key_pair_id="K2JCJMDEHXQW5F",
    cloudfront_private_key=PEM,
)


def unescaped(text: str) -> bytes:
    return b64decode(text.replace("-", "+").replace("_", "=").replace("~", "/"))


def asked(link: str) -> tuple[str, dict[str, str]]:
    """The resource, and what stands beside it."""
    url = urlsplit(link)
    fields = {name: one for name, (one,) in parse_qs(url.query, strict_parsing=True).items()}
    return f"{url.scheme}://{url.netloc}{url.path}", fields


def verify(policy: bytes, fields: dict[str, str]) -> None:
    """Raises InvalidSignature."""
    signature = unescaped(fields["Signature"])
    KEY.public_key().verify(signature, policy, PKCS1v15(), SHA1())  # noqa: S303, as CloudFront


def test_a_link_by_a_canned_policy_is_good_until_it_expires_and_for_nothing_else() -> None:
    resource, fields = asked(CloudFront(SETTINGS).link("file-1", EXPIRES))
    assert resource == "https://d111.cloudfront.net/file-1"
    assert set(fields) == {"Expires", "Signature", "Key-Pair-Id"}
    assert (fields["Expires"], fields["Key-Pair-Id"]) == ("1896091200", "K2JCJMDEHXQW5F")
    verify(canned(resource, fields["Expires"]), fields)
    for bad in (canned(resource, "1896091201"), canned(f"{resource}0", fields["Expires"])):
        with pytest.raises(InvalidSignature):
            verify(bad, fields)


def test_a_signature_that_was_changed_or_is_another_key_s_is_none() -> None:
    resource, fields = asked(CloudFront(SETTINGS).link("file-1", EXPIRES))
    other = generate_private_key(65_537, 2_048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    strange = replace(SETTINGS, cloudfront_private_key=other.decode())
    _, by_other = asked(CloudFront(strange).link("file-1", EXPIRES))
    first = fields["Signature"][0]
    changed = ("A" if first != "A" else "B") + fields["Signature"][1:]
    for signature in (changed, by_other["Signature"]):
        with pytest.raises(InvalidSignature):
            verify(canned(resource, fields["Expires"]), {"Signature": signature})


def canned(resource: str, expires: str) -> bytes:
    """As the developer guide spells it, to the byte: CloudFront makes it anew from the link."""
    return (
        f'{{"Statement":[{{"Resource":"{resource}","Condition":'
        f'{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'
    ).encode()


def test_a_link_by_a_custom_policy_says_itself_when_and_for_whom() -> None:
    since = datetime(2030, 1, 30, tzinfo=UTC)
    link = CloudFront(SETTINGS).link("file-1", EXPIRES, since=since, address="192.0.2.7")
    resource, fields = asked(link)
    assert set(fields) == {"Policy", "Signature", "Key-Pair-Id"}
    policy = unescaped(fields["Policy"])
    verify(policy, fields)
    (statement,) = json.loads(policy)["Statement"]
    assert statement == {
        "Resource": resource,
        "Condition": {
            "DateLessThan": {"AWS:EpochTime": 1_896_091_200},
            "DateGreaterThan": {"AWS:EpochTime": int(since.timestamp())},
            "IpAddress": {"AWS:SourceIp": "192.0.2.7/32"},
        },
    }
    with pytest.raises(InvalidSignature):
        verify(policy.replace(b"192.0.2.7", b"192.0.2.8"), fields)


async def test_links_lead_to_the_cdn_where_there_is_one(tmp_path: Path) -> None:
    settings = with_cdn(tmp_path)
    with opened(settings) as blobs:
        resource, fields = asked(await blobs.link("file-1", "a", "text/plain", EXPIRES))
    verify(canned(resource, fields["Expires"]), fields)


async def test_a_link_for_one_address_leads_to_the_cdn_or_to_us(tmp_path: Path) -> None:
    with opened(with_cdn(tmp_path)) as blobs:
        _, fields = asked(await blobs.link("k", "a", "text/plain", EXPIRES, "192.0.2.7"))
        assert b'"192.0.2.7/32"' in unescaped(fields["Policy"])
        link = await blobs.link("k", "a", "text/plain", EXPIRES, "2001:db8::/64")  # IPv4 alone
        assert link.startswith("http://localhost:5014/uploads/k?")
    with opened(replace(with_cdn(tmp_path), cloudfront_url="")) as blobs:
        link = await blobs.link("k", "a", "text/plain", EXPIRES, "192.0.2.7")
        assert "address=192.0.2.7" in link
        assert link.startswith("http://localhost:5014/uploads/k?")


def with_cdn(folder: Path) -> Settings:
    return replace(
        in_s3("http://127.0.0.1:9", "bucket", folder),
        cloudfront_url=SETTINGS.cloudfront_url,
        cloudfront_key_pair_id=SETTINGS.cloudfront_key_pair_id,
        cloudfront_private_key=PEM,
    )


def test_the_key_may_come_on_one_line_of_the_environment() -> None:
    line = PEM.replace("\n", "\\n")
    settings = load_settings({"CLOUDFRONT_PRIVATE_KEY": line})
    both = replace(SETTINGS, cloudfront_private_key=settings.cloudfront_private_key)
    assert CloudFront(both).link("k", now()).startswith("https://")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"cloudfront_key_pair_id": ""}, "^CLOUDFRONT_KEY_PAIR_ID: "),
        ({"cloudfront_private_key": ""}, "^CLOUDFRONT_PRIVATE_KEY: "),
        ({"cloudfront_private_key": "topsecret"}, "^CLOUDFRONT_PRIVATE_KEY: "),
    ],
)
def test_half_of_it_is_refused_by_name(given: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        CloudFront(replace(SETTINGS, **given))
    assert "topsecret" not in str(caught.value)
