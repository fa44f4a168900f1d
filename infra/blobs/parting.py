"""A file on its way to the local disk: sealed block by block, and written out while more comes."""

import ctypes
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from infra.blobs.blocks import BLOCK, Piece
from infra.blobs.sealing import CHUNK, TAG, Sealer

OUT_EVERY = 4 * BLOCK  # bytes, after which the disk is set to work
SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h


class Part:
    """Beside its place, for its owner only. Of one thread at a time."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self.path = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        self.path.touch(mode=0o600, exist_ok=False)
        self.file: IO[bytes] = self.path.open("wb", buffering=0)
        self._sealer, self._rest = sealer, bytearray()  # what may be the last chunk
        header = sealer.header
        room = len(header) + BLOCK // CHUNK * (CHUNK + TAG)
        self._sealed, self._filled = memoryview(bytearray(room)), len(header)
        self._sealed[: self._filled] = header
        self._at = self._out = 0  # bytes written, and those that the disk was given

    def write(self, block: Piece) -> None:
        """All but what may be the last chunk."""
        view, at = memoryview(block), 0
        if self._rest:
            at = CHUNK - len(self._rest)
            self._rest += view[:at]
            if len(view) <= at:
                return
            self._seal(self._rest)
            self._rest = bytearray()
        while len(view) - at > CHUNK:
            self._seal(view[at : at + CHUNK])
            at += CHUNK
        self._rest += view[at:]
        self._flush()

    def end(self) -> None:
        """Durable when it returns."""
        self._seal(self._rest, last=True)
        self._flush()
        os.fsync(self.file.fileno())

    def _seal(self, chunk: Piece | memoryview, *, last: bool = False) -> None:
        end = self._filled + len(chunk) + TAG
        self._sealer.seal(chunk, self._sealed[self._filled : end], last=last)
        self._filled = end
        if len(self._sealed) - end < CHUNK + TAG:
            self._flush()

    def _flush(self) -> None:
        data, self._filled = self._sealed[: self._filled], 0
        while data:
            written = os.write(self.file.fileno(), data)
            self._at += written
            data = data[written:]
        if self._at - self._out >= OUT_EVERY:
            _start(self.file.fileno(), self._out, self._at - self._out)
            self._out = self._at


def _starter() -> Callable[[int, int, int], object]:
    """Sets the disk to work and waits for nothing, so that fsync has little left to wait for."""
    if sys.platform != "linux":
        return lambda _file, _start, _length: None
    call = ctypes.CDLL(None).sync_file_range
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return lambda file, start, length: call(file, start, length, SYNC_FILE_RANGE_WRITE)


_start = _starter()
