"""What must hold after any fault: the log, the clients' diaries and the tailing reader agree."""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from uuid import UUID

import msgspec

from infra.eventstore.store import Store
from infra.settings import Settings
from tests.faults.children import LIMIT_S, child
from tests.faults.commands import Seen, seen, settle, told
from tests.faults.diary import Answered, Asked, Memories, lines, read_diaries
from tests.infra.until import until

PAGE = 5_000


class Checked(msgspec.Struct, frozen=True):
    """What was looked at."""

    commands: int
    events: int
    unanswered: int  # commands whose client never heard of them
    of_these_stored: int


class Witness:
    """A reader that tails the log in its own process, and who checks it at the end."""

    def __init__(self, folder: Path) -> None:
        self.tailed = folder / "tail"
        self._folder = folder
        self._diaries: list[Path] = []

    def diary(self) -> Path:
        """A new one, empty."""
        path = self._folder / f"diary-{len(self._diaries)}"
        path.touch()
        self._diaries.append(path)
        return path

    def memories(self) -> Memories:
        return read_diaries(self._diaries)

    async def check(self, store: Store) -> Checked:
        """Of a store that nobody writes to: compare all; then send again what had no answer."""
        memories, log = self.memories(), await everything(store)
        versions_are_contiguous(log)
        commands = by_command(log)
        assert commands.keys() <= memories.asked.keys(), "events of nobody"
        assert commands.keys().isdisjoint(memories.refused), "refused, and yet stored"
        for command_id, events in commands.items():
            is_whole(memories.asked[command_id], events)
        for answer in memories.answered.values():
            assert answer == answer_in(commands, memories.asked[answer.id])
        unanswered = memories.unanswered()
        for command in unanswered:
            assert await told(store, command) == answer_in(commands, command)
        await self._saw(log)
        await self._settles(store, unanswered)
        stored = sum(command.id in commands for command in unanswered)
        return Checked(len(commands), len(log), len(unanswered), stored)

    async def _settles(self, store: Store, unanswered: Sequence[Asked]) -> None:
        """A client that sends its command again has one outcome, the first one if there was."""
        for command in unanswered:
            answer = await settle(store, command)
            assert answer == await told(store, command)
        log = await everything(store)
        versions_are_contiguous(log)
        commands = by_command(log)
        for command in unanswered:
            is_whole(command, commands[command.id])
        await self._saw(log)

    async def _saw(self, log: Sequence[Seen]) -> None:
        await until(lambda: self.tailed.read_bytes().count(b"\n") >= len(log), LIMIT_S)
        assert [msgspec.json.decode(line, type=Seen) for line in lines(self.tailed)] == log


@contextmanager
def witnessing(settings: Settings, folder: Path) -> Generator[Witness]:
    witness = Witness(folder)
    witness.tailed.touch()
    with child("tail", settings, witness.tailed):
        yield witness


async def everything(store: Store) -> list[Seen]:
    log: list[Seen] = []
    while page := await store.read(log[-1].position if log else 0, PAGE):
        log += map(seen, page)
    return log


def versions_are_contiguous(log: Sequence[Seen]) -> None:
    """In the order of their positions, in every stream, from 1."""
    assert all(one.position < after.position for one, after in pairwise(log))
    heads = Counter[UUID]()
    for one in log:
        heads[one.stream] += 1
        assert one.version == heads[one.stream], one


def by_command(log: Sequence[Seen]) -> dict[UUID, list[Seen]]:
    """A command's events follow one another."""
    commands: dict[UUID, list[Seen]] = {}
    for command_id, events in groupby(log, key=lambda one: one.command):
        assert command_id is not None
        assert command_id not in commands, "stored twice, or in pieces"
        commands[command_id] = list(events)
    return commands


def is_whole(command: Asked, events: Sequence[Seen]) -> None:
    wanted = [part.stream for part in command.parts for _ in range(part.events)]
    assert [one.stream for one in events] == wanted
    assert [one.nth for one in events] == list(range(len(wanted)))


def answer_in(commands: Mapping[UUID, Sequence[Seen]], command: Asked) -> Answered | None:
    """The answer that the log gives: None for what is not in it."""
    events = commands.get(command.id)
    if events is None:
        return None
    first = [one for one in events if one.stream == events[0].stream]
    return Answered(command.id, events[-1].position, first[-1].version)
