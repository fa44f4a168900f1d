"""Links by which people stop a kind of mail without signing in (RFC 8058).

The key is made from JWT_SECRET for this alone: such a link is good for nothing else, and no other
token is good as one. It never expires, for mails are kept; those of another JWT_SECRET hold as long
as it is JWT_SECRET_OLD.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from uuid import UUID

from domain.errors import Invalid
from domain.preferences import Notice
from infra.keys import keys_for
from infra.settings import Settings

ROUTE = "/api/v1/unsubscribe"
ID_BYTES = 16
MAC_BYTES = 16  # of 32: 128 bits nobody guesses, and links stay short
DIGEST = "digest"


def unsubscribe_link(settings: Settings, user: UUID, notice: Notice | None) -> str:
    """None: of the daily digest."""
    return f"{settings.public_url}{ROUTE}?token={sign(settings, user, notice)}"


def sign(settings: Settings, user: UUID, notice: Notice | None) -> str:
    named = user.bytes + (DIGEST if notice is None else notice.value).encode()
    return _text(named + _macs(settings, named)[0])


def read(settings: Settings, token: str) -> tuple[UUID, Notice | None]:
    """Whose and of what a link is. Raises Invalid."""
    try:
        content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Error, ValueError) as error:
        raise Invalid("unsubscribe.bad_token") from error
    named, mac = content[:-MAC_BYTES], content[-MAC_BYTES:]
    ours = any(hmac.compare_digest(mac, one) for one in _macs(settings, named))
    if not ours or _text(content) != token:
        raise Invalid("unsubscribe.bad_token")
    kind = named[ID_BYTES:].decode()
    return UUID(bytes=named[:ID_BYTES]), None if kind == DIGEST else _known(kind)


def _known(kind: str) -> Notice:
    try:
        return Notice(kind)
    except ValueError as error:  # signed by an older version, or by a newer one
        raise Invalid("unsubscribe.bad_token") from error


def _macs(settings: Settings, named: bytes) -> list[bytes]:
    keys = keys_for("unsubscribe link", settings)
    return [hmac.digest(key, named, "sha256")[:MAC_BYTES] for key in keys]


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
