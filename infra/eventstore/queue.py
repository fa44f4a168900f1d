"""Commands on their way to the log: made ready for it, and which of them may share a batch."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.kernel import Metadata
from infra.eventstore.codec import TooLarge, encode, encode_metadata
from infra.eventstore.types import ANY, EXISTS, MAX_EVENTS, Appended, BadAppend, Motion, To
from infra.tracing import Trace, sampled

MAX_BATCH = 1_000  # events of one transaction: keeps the lock's hold short
MAX_BYTES = 4 * 1024 * 1024  # of their payloads, for the same reason
MAX_COMMAND = 16 * 1024 * 1024  # bytes of one command's payloads
CHECK_BYTES = 256  # of memory that a check takes while it waits
MAX_WAITING = 20_000  # commands queued before callers are turned away
MAX_WAITING_BYTES = 64 * 1024 * 1024  # the same, by their payloads

MotionKey: TypeAlias = tuple[UUID, str]  # participation, tag
MotionRow: TypeAlias = tuple[UUID, UUID, UUID | None, str, bytes]


class Command(msgspec.Struct, eq=False):
    """A command that waits for its transaction."""

    id: UUID
    metadata: bytes
    checks: Sequence[tuple[UUID, int, int]]  # stream, expected version, number of events
    events: Sequence[tuple[str, bytes]]  # tag, state: those of the first check first
    size: int  # bytes
    exact: bool  # no check expects ANY or EXISTS
    done: asyncio.Future[Appended]
    sent: bool = False  # once sent, an unknown outcome may hide a commit
    alone: bool = False  # Postgres refused its batch: it goes in one of its own
    trace: Trace | None = None  # where its commit is shown

    def settle(self, answer: Appended | Exception) -> None:
        if self.done.done():  # the caller has gone
            return
        if isinstance(answer, Exception):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


def prepare(metadata: Metadata, parts: Sequence[To], compress_above: int) -> Command:
    """Raises BadAppend, and codec's UnknownTag, TooLarge and HasNul."""
    if type(metadata.command_id) is not UUID:
        raise BadAppend(f"metadata.command_id is required, a UUID: {metadata.command_id!r} is none")
    if len(parts) > 1 and len({part.stream for part in parts}) != len(parts):
        raise BadAppend("a command names a stream once")
    meta = encode_metadata(metadata)
    checks: list[tuple[UUID, int, int]] = []
    events: list[tuple[str, bytes]] = []
    size, exact = CHECK_BYTES * len(parts), True
    for part in parts:
        if type(part.stream) is not UUID:
            raise BadAppend(f"{part.stream!r} is no stream: a UUID")
        checks.append((part.stream, part.expected, len(part.events)))
        exact = _is_exact(part.expected) and exact
        if len(events) + len(part.events) > MAX_EVENTS or len(checks) > MAX_EVENTS:
            raise BadAppend(f"a command stores at most {MAX_EVENTS} events, in as many streams")
        for event in part.events:
            encoded = encode(event, compress_above)
            events.append(encoded)
            size += len(encoded[1]) + len(meta)
    if not events:
        raise BadAppend("a command stores at least one event")
    if size > MAX_COMMAND:
        raise TooLarge(f"a command of {size} bytes, at most {MAX_COMMAND}")
    done = asyncio.get_running_loop().create_future()
    return Command(metadata.command_id, meta, checks, events, size, exact, done, trace=sampled())


def _is_exact(expected: int) -> bool:
    """Whether it is a version. Raises BadAppend for what is not ANY or EXISTS either."""
    if type(expected) is not int or not EXISTS <= expected < 1 << 62:
        raise BadAppend(f"{expected!r} is no version: a number from 0, ANY or EXISTS")
    return expected >= 0


def prepare_motion(motion: Motion) -> tuple[MotionKey, MotionRow]:
    """Raises BadAppend, and what codec.encode does."""
    for name, value in (("actor", motion.actor), ("project", motion.project)):
        if value is not None and type(value) is not UUID:
            raise BadAppend(f"motion.{name} is a UUID or None, not {value!r}")
    if type(motion.participation) is not UUID:
        raise BadAppend(f"motion.participation is a UUID, not {motion.participation!r}")
    tag, state = encode(motion.event)
    row = (motion.participation, motion.actor, motion.project, tag, state)
    return motion_key(row), row


def motion_key(row: MotionRow) -> MotionKey:
    return row[0], row[3]


class Queue:
    """Commands that wait, bounded by number and bytes."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._commands)

    @property
    def full(self) -> bool:
        return len(self._commands) >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    def put(self, command: Command) -> None:
        self._commands.append(command)
        self._bytes += command.size

    def put_back(self, commands: Sequence[Command]) -> None:
        """Before all others: they waited longest."""
        self._commands.extendleft(reversed(commands))
        self._bytes += sum(command.size for command in commands)

    def take(self, most: int = MAX_BATCH) -> list[Command]:
        """What may share a transaction, `most` commands, in order; the rest stays, in order.

        A stream belongs to one command of the batch, or to single-stream `any` appends alone. What
        nobody waits for any more, and was never sent, is dropped.
        """
        batch = _Batch(most)
        later: list[Command] = []
        while self._commands and len(later) < MAX_BATCH and not batch.full:
            command = self._commands.popleft()
            self._bytes -= command.size
            if command.done.done() and not command.sent:
                continue
            if not batch.add(command):
                later.append(command)
        if later:
            self.put_back(later)
        return batch.commands

    def take_all(self) -> list[Command]:
        commands = list(self._commands)
        self._commands.clear()
        self._bytes = 0
        return commands


class _Batch:
    """A batch in the making, and what its streams are taken for."""

    def __init__(self, most: int) -> None:
        self.commands: list[Command] = []
        self._most, self._events, self._bytes = most, MAX_BATCH, MAX_BYTES
        self._ids: set[UUID] = set()
        self._exclusive: set[UUID] = set()
        self._shared: set[UUID] = set()

    @property
    def full(self) -> bool:
        alone = bool(self.commands) and self.commands[0].alone
        return alone or len(self.commands) >= self._most or self._events <= 0 or self._bytes <= 0

    def add(self, command: Command) -> bool:
        """Whether it may come along; if not, what comes after it on its streams waits behind it."""
        streams = [stream for stream, _, _ in command.checks]
        shareable = len(streams) == 1 and command.checks[0][1] == ANY
        if (
            command.id in self._ids
            or not self._exclusive.isdisjoint(streams)
            or not (shareable or self._shared.isdisjoint(streams))
            or (command.alone and self.commands)
        ):
            self._exclusive.update(streams)
            return False
        self._ids.add(command.id)
        (self._shared if shareable else self._exclusive).update(streams)
        self.commands.append(command)
        self._events -= max(len(command.events), len(command.checks))
        self._bytes -= command.size
        return True
