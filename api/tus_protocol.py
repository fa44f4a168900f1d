"""The headers of tus 1.0 (tus.io/protocols/resumable-upload), read and written; no I/O."""

import binascii
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha1, sha256
from typing import Protocol

import msgspec

from api.call import Malformed
from domain.errors import Refused
from infra.blobs.blocks import Piece

VERSION = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
BODY = "application/offset+octet-stream"
MAX_METADATA = 4_000  # characters
MAX_DIGITS = 18


class UnknownProtocol(Refused):
    """The client speaks no version of tus that is spoken here."""


class WrongChecksum(Refused):
    """A part is not what the client said it would be."""


class Hash(Protocol):
    def update(self, data: Piece, /) -> None: ...
    def digest(self) -> bytes: ...


def _sha1() -> Hash:
    return sha1(usedforsecurity=False)


HASHES: Mapping[str, Callable[[], Hash]] = {"sha1": _sha1, "sha256": sha256}


class Checksum:
    """What a part must come to."""

    def __init__(self, header: str) -> None:
        """Raises Malformed."""
        algorithm, _, digest = header.partition(" ")
        if algorithm not in HASHES:
            raise Malformed("upload.unknown_checksum", known=",".join(HASHES))
        self._hash = HASHES[algorithm]()
        self._wanted = _decoded(digest, "upload.bad_checksum")

    def update(self, chunk: Piece) -> None:
        self._hash.update(chunk)

    def check(self) -> None:
        """Raises WrongChecksum."""
        if self._hash.digest() != self._wanted:
            raise WrongChecksum("upload.wrong_checksum")


class Metadata(msgspec.Struct, frozen=True):
    """What a client says of an upload when it begins. `given`: in its own words."""

    given: str
    said: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.said.get(key, "")


def metadata(header: str) -> Metadata:
    """Raises Malformed."""
    if len(header) > MAX_METADATA:
        raise Malformed("upload.bad_metadata", most=MAX_METADATA)
    said: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else ():
        key, _, value = pair.strip().partition(" ")
        if not key or key in said:
            raise Malformed("upload.bad_metadata")
        try:
            said[key] = _decoded(value, "upload.bad_metadata").decode()
        except UnicodeDecodeError:
            raise Malformed("upload.bad_metadata", key=key) from None
    return Metadata(header, said)


def number(headers: Mapping[str, str], name: str) -> int:
    """Raises Malformed where the header is not a number of bytes."""
    text = headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise Malformed("upload.bad_number", header=name)
    return int(text)


def date(at: datetime) -> str:
    """As HTTP has it (RFC 9110, 5.6.7)."""
    return format_datetime(at.astimezone(UTC), usegmt=True)


def _decoded(text: str, code: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(code) from None
