"""Links to the CDN before the bucket, signed as CloudFront checks them: RSA-SHA1 by a key pair.

Amazon CloudFront Developer Guide: "Create a signed URL using a canned policy", "… a custom policy".
"""

from datetime import datetime
from typing import Any

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from infra.settings import Settings, SettingsError


class CloudFront:
    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError."""
        if not settings.cloudfront_key_pair_id:
            raise SettingsError("CLOUDFRONT_KEY_PAIR_ID: is not set, and CLOUDFRONT_URL is")
        self._url = settings.cloudfront_url.rstrip("/")
        self._key = _read(settings.cloudfront_private_key)
        self._signer: Any = CloudFrontSigner(settings.cloudfront_key_pair_id, self._signed)

    def link(
        self,
        key: str,
        expires: datetime,
        *,
        since: datetime | None = None,
        address: str | None = None,
    ) -> str:
        """By a canned policy; by a custom one where it holds `since` or for one address only."""
        url = f"{self._url}/{key}"
        if since is None and address is None:
            return self._signer.generate_presigned_url(url, date_less_than=expires)
        policy = self._signer.build_policy(url, expires, since, address)
        return self._signer.generate_presigned_url(url, policy=policy)

    def _signed(self, policy: bytes) -> bytes:
        return self._key.sign(policy, PKCS1v15(), SHA1())  # noqa: S303, the one that CloudFront takes


def _read(pem: str) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
    except (ValueError, TypeError):  # its text must not be in the message
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise SettingsError("CLOUDFRONT_PRIVATE_KEY: is not an RSA key in PEM without a password")
    return key
