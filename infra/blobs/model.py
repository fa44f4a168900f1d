"""What is kept by key: its facts, its bytes as they are read, and why it may not be had now."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import datetime
from typing import Protocol, Self

import msgspec

from domain.errors import Invalid, NotFound
from infra.blobs.tape import Tape

KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")  # what we make up, never what people write


class Unavailable(Exception):
    """The store cannot be reached now; the same again later may do."""

    def __init__(self, why: str, retry_after_s: float = 1.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Full(Exception):
    """The local disk has no room for it: nothing of it is kept."""


class Damaged(Exception):
    """What is stored is not what was put, or is sealed with a key that is not here."""


class About(msgspec.Struct, frozen=True):
    """What whoever puts a file says of it. `name`: as people see it, so anything."""

    key: str
    name: str
    content_type: str


class Blob(msgspec.Struct, frozen=True):
    """What is known of a file. `at`: since when it is where it is, also after a hand-over."""

    key: str
    name: str
    content_type: str
    bytes: int
    at: datetime


class Flow(AsyncIterator[bytes]):
    """A file's bytes, piece by piece, each read in a thread. Closed at its end."""

    def __init__(
        self, pieces: Iterator[bytes], close: Callable[[], object], threads: Executor | None = None
    ) -> None:
        self._pieces = pieces
        self._close = close
        self._threads = threads

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            piece = await loop.run_in_executor(self._threads, next, self._pieces, b"")
        except BaseException:
            self._close()
            raise
        if not piece:
            self._close()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Whoever does not read to the end must close."""
        self._close()


class Opened(msgspec.Struct, frozen=True):
    """`content` is to be read to its end, or closed."""

    blob: Blob
    content: Flow


class Staged(Protocol):
    """Content that has been taken in, and that nobody sees yet."""

    async def commit(self) -> Blob:
        """Seen and durable from now on, in place of what the key had."""
        ...

    async def discard(self) -> None:
        """Never raises, also after a commit that failed."""
        ...


class Parts(msgspec.Struct, frozen=True):
    """What somebody else may put, part by part. `upload`: the store's id of it.

    `urls`: where each part goes, by a PUT of as many bytes as were said.
    """

    upload: str
    urls: tuple[str, ...]


class Far(Protocol):
    """A store over the network. Raises Unavailable for all that it does not do."""

    async def stage(self, about: About, tape: Tape) -> Staged: ...
    async def open(self, key: str, start: int = 0, end: int | None = None) -> Opened: ...
    async def head(self, key: str) -> Blob: ...
    async def delete(self, key: str) -> None: ...

    async def listed(self, prefix: str, after: str, limit: int) -> list[tuple[str, datetime]]:
        """The keys that begin so and come after that one, in order, and since when they are there.

        Fewer than `limit`: there are no more.
        """
        ...

    async def probe(self) -> None:
        """Whether it answers at all. Raises NotFound where there is no such bucket."""
        ...

    async def forget_unfinished(self, older_than: datetime) -> None: ...
    async def begin_parts(self, key: str, sizes: Sequence[int], lives_s: int) -> Parts: ...
    async def join_parts(self, key: str, upload: str, etags: Sequence[str]) -> None: ...
    async def drop_parts(self, key: str, upload: str) -> None: ...
    def link(self, key: str, name: str, content_type: str, seconds: int) -> str: ...
    def close(self) -> None: ...


class Cdn(Protocol):
    """What makes links to the CDN before the store."""

    def __call__(self, key: str, expires: datetime, *, address: str | None = None) -> str: ...


def checked(key: str) -> str:
    """Raises Invalid."""
    if not KEY.fullmatch(key):
        raise Invalid("file.bad_key")
    return key


def not_found(key: str) -> NotFound:
    return NotFound("file.not_found", key=key)
