"""Short signed texts that prove one thing about one person: a mail's link, a device seen before,
a log-in that goes on.

A proof can be bound to how something stands (`state`): it is void once that has changed, so a link
works once, and nothing of it needs to be kept.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from infra.keys import keys_for
from infra.settings import Settings

ID, TIME, MAC = 16, 8, 32  # bytes
MAX_PROOF = 100  # characters; they have 75


class Purpose(StrEnum):
    RESET = "password reset link"
    VERIFY = "e-mail verification link"
    DEVICE = "known device"
    LOGIN = "log-in that a refresh token is of"


class Proof(msgspec.Struct, frozen=True):
    """As somebody says it: who believes it before `holds` believes a stranger."""

    subject: UUID
    number: int  # seconds since 1970 until when it is good, or of a device its own
    mac: bytes

    @property
    def said(self) -> bytes:
        return self.subject.bytes + self.number.to_bytes(TIME)

    def ended(self, now: datetime) -> bool:
        return self.number <= now.timestamp()


def prove(settings: Settings, purpose: Purpose, subject: UUID, number: int, state: str = "") -> str:
    key, *_ = keys_for(purpose, settings)
    proof = Proof(subject, number, b"")
    made = proof.said + hmac.digest(key, proof.said + state.encode(), "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def way_in(since: str, *addresses: str) -> str:
    """What a link for another password is bound to: since when there is the one before, the address
    of the account, and where it was mailed, if that is another.
    """
    return " ".join((since, *dict.fromkeys(addresses)))


def parse(text: str) -> Proof | None:
    """None for what is no proof of anything."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Error, ValueError):
        return None
    if len(content) != ID + TIME + MAC:
        return None
    return Proof(UUID(bytes=content[:ID]), int.from_bytes(content[ID:-MAC]), content[-MAC:])


def holds(settings: Settings, purpose: Purpose, proof: Proof, state: str = "") -> bool:
    """Whether we said it, of things as they are now."""
    said = proof.said + state.encode()
    macs = [hmac.digest(key, said, "sha256") for key in keys_for(purpose, settings)]
    return any(hmac.compare_digest(mac, proof.mac) for mac in macs)
