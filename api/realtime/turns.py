"""Turns: what is much wanted on this node is asked for one after the other, first come first."""

import asyncio
from uuid import UUID
from weakref import WeakValueDictionary


class Turns:
    """Commands on one stream that come at once would conflict until their attempts are used up."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def of(self, stream: UUID) -> asyncio.Lock:
        """It is kept as long as somebody waits for it or has it."""
        return self._locks.setdefault(stream, asyncio.Lock())
