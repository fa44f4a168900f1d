"""Who of those that send long bodies is read from: a few at a time, or all others would wait.

Each read is a copy of up to a block, on the event loop. Of twenty senders all at once they let
nobody else in between: what is not read waits in the kernel, and at last at the sender.
"""

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary

AT_ONCE = 2
TURN_S = 0.05  # for a block; who is slower goes on when it is its turn again


class Reader(Protocol):
    def read_on(self) -> None: ...

    def stand_by(self) -> None: ...


class Turns:
    """Of an event loop. A turn ends with the block that is read in it, or late if others wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_later = loop.call_later
        self._reading: dict[Reader, asyncio.TimerHandle] = {}
        self._waiting: dict[Reader, None] = {}  # in the order in which they asked

    def ask(self, reader: Reader) -> None:
        if reader in self._reading or reader in self._waiting:
            return
        if len(self._reading) < AT_ONCE:
            self._begin(reader)
        else:
            reader.stand_by()
            self._waiting[reader] = None

    def end(self, reader: Reader) -> None:
        """Also of one that waits."""
        self._waiting.pop(reader, None)
        timer = self._reading.pop(reader, None)
        if timer is None:
            return
        timer.cancel()
        if self._waiting:
            following = next(iter(self._waiting))
            del self._waiting[following]
            self._begin(following)

    def _begin(self, reader: Reader) -> None:
        self._reading[reader] = self._call_later(TURN_S, self._is_late, reader)
        reader.read_on()

    def _is_late(self, reader: Reader) -> None:
        if self._waiting:
            self.end(reader)
            self.ask(reader)
        else:
            self._begin(reader)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def turns() -> Turns:
    """Those of the loop that runs."""
    loop = asyncio.get_running_loop()
    found = _turns.get(loop)
    if found is None:
        found = _turns[loop] = Turns(loop)
    return found
