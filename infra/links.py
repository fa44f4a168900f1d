"""Links that open one file without a log-in, for a while: whoever has the link may."""

from datetime import datetime
from hashlib import sha256
from hmac import compare_digest, digest
from urllib.parse import quote, urlencode

import msgspec

from domain.errors import NotAllowed
from infra.keys import keys_for
from infra.settings import Settings

PATH = "/api/v1/files/{key}/content"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-()")


class Signed(msgspec.Struct, frozen=True):
    """What a link says. `kid`: which key it was signed with; `expires`: seconds since 1970.

    `address`: from where alone it is good, as `address_of` says it; "": from everywhere.
    """

    expires: int
    kid: str
    signature: str
    address: str = ""


class Links:
    """Signs with a key that JWT_SECRET gives; those of JWT_SECRET_OLD hold as long as it is set."""

    def __init__(self, settings: Settings) -> None:
        keys = keys_for("download link", settings)
        self._keys = {sha256(key).hexdigest()[:8]: key for key in keys}
        self._kid = next(iter(self._keys))

    def to(self, key: str, expires: datetime, method: str = "GET") -> str:
        """Below the public URL."""
        return f"{PATH.format(key=key)}?{self.query(key, expires, method)}"

    def query(self, key: str, expires: datetime, method: str = "GET", address: str = "") -> str:
        """Of a link, whatever its path."""
        until = int(expires.timestamp())
        signature = self._signature(self._kid, key, method, until, address)
        signed = Signed(until, self._kid, signature, address)
        return urlencode({name: one for name, one in msgspec.structs.asdict(signed).items() if one})

    def check(self, key: str, method: str, given: Signed, now: datetime, asking: str = "") -> None:
        """Raises NotAllowed. Why a true link is not good now is told to those only who have one.

        `asking`: the address of who uses it.
        """
        if given.kid not in self._keys:
            raise NotAllowed("file.bad_link")
        wanted = self._signature(given.kid, key, method, given.expires, given.address)
        if not compare_digest(wanted.encode(), given.signature.encode()):
            raise NotAllowed("file.bad_link")
        if given.expires <= now.timestamp():
            raise NotAllowed("file.link_expired")
        if given.address and given.address != asking:
            raise NotAllowed("file.link_of_another_address")

    def _signature(self, kid: str, key: str, method: str, expires: int, address: str) -> str:
        said = f"{kid}\n{method}\n{key}\n{expires}" + (f"\n{address}" if address else "")
        return digest(self._keys[kid], said.encode(), "sha256").hex()


def served(content_type: str) -> str:
    """Text that is taken is UTF-8; a browser that is not told guesses."""
    guesses = content_type.startswith("text/") and ";" not in content_type
    return f"{content_type}; charset=utf-8" if guesses else content_type


def disposition(name: str) -> str:
    """To save under that name (RFC 6266): as it is, and in ASCII for who does not know that."""
    plain = "".join(c if c in PLAIN else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
