"""What one subscriber must have seen: every action of its room, in order, each once."""

import re
from collections.abc import Sequence
from itertools import pairwise

# Formula's chain: `prev` is the room's position before this frame's.
CHAINED = re.compile(rb'^\{"op":"(?:ev|skip)".*?"pos":(\d+),"prev":(\d+)')
NUMBER = re.compile(rb'"number":(\d+)')


class Seen:
    """The frames of one subscriber, over all of its connections."""

    def __init__(self) -> None:
        self.last = 0  # position; 0: none yet
        self.gaps = 0
        self.numbers: list[int] = []  # of the actions, as they came

    def joined_at(self, position: int) -> None:
        """A first snapshot tells everything up to here."""
        self.last = self.last or position

    def take(self, text: bytes) -> None:
        """A frame; one that is not a durable event is passed over."""
        if (chained := CHAINED.match(text)) is not None:
            pos, prev = int(chained[1]), int(chained[2])
            if pos <= self.last:
                return
            self.gaps += prev > self.last > 0
            self.last = pos
        if (number := NUMBER.search(text)) is not None:
            self.numbers.append(int(number[1]))


def faults(seen: Sequence[int], acted: Sequence[int]) -> tuple[int, int, int]:
    """(missed, twice, disordered) of the numbers that one saw, of those of its room."""
    first = set(seen)
    twice = len(seen) - len(first)
    missed = len(first.symmetric_difference(acted))
    order = sum(after < before for before, after in pairwise(seen))
    return missed, twice, order
