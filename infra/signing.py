"""Signatures of what leaves the system, so that whoever holds it can show that it is unaltered.

Ed25519 (RFC 8032): one needs no secret to verify, only the public key that Formula names.
"""

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from infra.settings import Settings


class Signer:
    """Signs with the key that JWT_SECRET gives; another secret is another key."""

    def __init__(self, settings: Settings) -> None:
        seed = sha256(b"formula export signature\x00" + settings.jwt_secret.encode()).digest()
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> str:
        """Hexadecimal, 64 digits."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> str:
        return self._key.sign(data).hex()


def is_signed(data: bytes, signature: str, public_key: str) -> bool:
    """Whether the holder of that key signed `data`; False also for what is no key or signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True
