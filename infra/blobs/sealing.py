"""Files sealed with AES-256-GCM: each by a key of its own, which a master key wraps.

magic · id of the master key · nonce and wrapped key · nonce prefix · length of the head · head ·
chunks. A chunk's nonce is the prefix, the chunk's number and whether it is the last: the STREAM
construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance, CRYPTO 2015). So each chunk opens without those before it, and one
that is changed, moved, repeated or missing is found. The wrapped key is bound to the file's name:
under another name it does not open. An older one put back under the same name does.
"""

import os
import struct
from base64 import b64decode
from hashlib import sha256
from typing import IO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.blobs.blocks import Piece
from infra.blobs.model import Damaged
from infra.settings import Settings, SettingsError

MAGIC = b"FSB1"
CHUNK = 1 << 16  # bytes
TAG = 16  # bytes that sealing adds
KEY_BYTES = 32
HEADER = struct.Struct(">4s8s12s48s7sI")
MAX_HEAD = 1 << 16  # bytes
HEAD, MIDDLE, LAST = 2, 0, 1  # the last byte of a nonce


class Head(msgspec.Struct, frozen=True):
    """Sealed in front of the content: what is renamed at once fits together."""

    name: str
    content_type: str


class Keyring:
    """The master keys: the first seals, all open. NIST SP 800-38D allows 2^32 files a key."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys = {_id(key): AESGCM(key) for key in keys}
        self._first = _id(keys[0])

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """Raises SettingsError."""
        if not settings.local_storage_key:
            raise SettingsError(
                "LOCAL_STORAGE_KEY: is not set, and files on the local disk are sealed with it"
                " (`openssl rand -base64 32` makes one)"
            )
        keys = [b64decode(text) for text in settings.local_storage_key.split(",")]
        return cls(keys)

    def wrap(self, name: str) -> tuple[bytes, bytes, bytes, bytes]:
        """A new key: its master's id, the nonce, it wrapped, and it itself."""
        fresh, nonce = os.urandom(KEY_BYTES), os.urandom(12)
        wrapped = self._keys[self._first].encrypt(nonce, fresh, _bound(self._first, name))
        return self._first, nonce, wrapped, fresh

    def unwrap(self, name: str, master: bytes, nonce: bytes, wrapped: bytes) -> bytes:
        """Raises Damaged."""
        if master not in self._keys:
            raise Damaged(f"{name}: sealed with key {master.hex()}, which LOCAL_STORAGE_KEY lacks")
        try:
            return self._keys[master].decrypt(nonce, wrapped, _bound(master, name))
        except InvalidTag:
            raise Damaged(f"{name}: its key does not open") from None


class Sealer:
    """Seals one file, from its first chunk to its last."""

    def __init__(self, keys: Keyring, name: str, head: Head) -> None:
        master, nonce, wrapped, fresh = keys.wrap(name)
        self._cipher, self._prefix, self._chunks = AESGCM(fresh), os.urandom(7), 0
        encoded = msgspec.json.encode(head)
        if len(encoded) > MAX_HEAD:
            raise ValueError(f"{name}: its name and type take {len(encoded)} bytes")
        header = HEADER.pack(MAGIC, master, nonce, wrapped, self._prefix, len(encoded))
        sealed = self._cipher.encrypt(_nonce(self._prefix, 0, HEAD), encoded, header)
        self.header = header + sealed

    def seal(self, chunk: Piece | memoryview, into: memoryview, *, last: bool) -> None:
        """The next; all but the last are whole CHUNKs. `into` is longer by TAG."""
        nonce = _nonce(self._prefix, self._chunks, LAST if last else MIDDLE)
        self._chunks += 1
        self._cipher.encrypt_into(nonce, chunk, None, into)


class Unsealed:
    """A sealed file that is open. Its last chunk has been seen: it ends where it did when put."""

    def __init__(self, keys: Keyring, name: str, file: IO[bytes]) -> None:
        """Raises Damaged."""
        self._file, self._name = file, name
        fixed = file.read(HEADER.size)
        if len(fixed) < HEADER.size:
            raise Damaged(f"{name}: has no head")
        magic, master, nonce, wrapped, self._prefix, length = HEADER.unpack(fixed)
        if magic != MAGIC or length > MAX_HEAD:
            raise Damaged(f"{name}: is not a sealed file")
        self._cipher = AESGCM(keys.unwrap(name, master, nonce, wrapped))
        head = self._open(file.read(length + TAG), 0, HEAD, fixed)
        self.head = msgspec.json.decode(head, type=Head)
        self._start = HEADER.size + length + TAG
        sealed = os.fstat(file.fileno()).st_size - self._start
        self._last = max(0, sealed - 1) // (CHUNK + TAG)
        self.bytes = self._last * CHUNK + len(self.chunk(self._last))

    def chunk(self, index: int) -> bytes:
        """Raises Damaged."""
        self._file.seek(self._start + index * (CHUNK + TAG))
        kind = LAST if index == self._last else MIDDLE
        return self._open(self._file.read(CHUNK + TAG), index, kind, None)

    def _open(self, sealed: bytes, index: int, kind: int, with_it: bytes | None) -> bytes:
        try:
            return self._cipher.decrypt(_nonce(self._prefix, index, kind), sealed, with_it)
        except (InvalidTag, ValueError):
            raise Damaged(f"{self._name}: part {index} is not what was put") from None


def _nonce(prefix: bytes, index: int, kind: int) -> bytes:
    return prefix + index.to_bytes(4) + bytes([kind])


def _id(key: bytes) -> bytes:
    return sha256(b"formula storage key\x00" + key).digest()[:8]


def _bound(master: bytes, name: str) -> bytes:
    return MAGIC + master + name.encode()
