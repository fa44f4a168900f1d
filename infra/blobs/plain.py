"""Reports as they were kept before files were sealed: read until the last of them has expired."""

import os
from typing import IO

import msgspec

from infra.blobs.model import Damaged
from infra.blobs.sealing import CHUNK, MAGIC, MAX_HEAD, Head

LENGTH = 4  # bytes, of the head's length, big-endian
PREFIX = "report-"  # nothing else was kept so: whoever may write here must not get around the seal


class Plain:
    """A head and the content as it is."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        """Raises Damaged."""
        self._file = file
        length = int.from_bytes(file.read(LENGTH))
        if length > MAX_HEAD:
            raise Damaged(f"{name}: is not a sealed file")
        try:
            self.head = msgspec.json.decode(file.read(length), type=Head)
        except msgspec.DecodeError:
            raise Damaged(f"{name}: is not a sealed file") from None
        self._start = LENGTH + length
        self.bytes = os.fstat(file.fileno()).st_size - self._start

    def chunk(self, index: int) -> bytes:
        self._file.seek(self._start + index * CHUNK)
        return self._file.read(CHUNK)


def is_plain(name: str, file: IO[bytes]) -> bool:
    """Leaves the file at its begin."""
    magic = file.read(len(MAGIC))
    file.seek(0)
    return name.startswith(PREFIX) and magic != MAGIC
