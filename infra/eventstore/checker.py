"""The rules of the log, held against its rows one by one. Pure: `verify` reads the rows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from uuid import UUID

import msgspec

from infra.eventstore.codec import UNREADABLE, UnknownShape, UnknownTag, decode, decode_metadata
from infra.eventstore.motion import partition_of

MOST_TOLD = 100  # findings that are told one by one; the others are counted
MOST_STREAMS = 200_000  # whose versions are remembered; some 50 MB

# What decoding can raise, the code of upcasts included.


class Row(msgspec.Struct, frozen=True):
    """A row of either table; `partition` is a motion fact's."""

    position: int
    stream: UUID
    version: int
    topic: str | None
    state: bytes | None
    metadata: bytes | None
    command_id: UUID | None
    command_size: int | None
    at: datetime
    partition: str | None


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong; without a position it is wrong with the log as a whole."""

    position: int | None
    rule: str
    detail: str


class Report(msgspec.Struct, frozen=True):
    """What was read, and what is wrong with it: `findings` are the first of those counted."""

    ok: bool
    after: int
    head: int  # when it began; what came later was not looked at
    events: int
    motion: int
    counts: dict[str, int]  # findings by rule
    findings: list[Finding]


class Command(msgspec.Struct):
    """A command whose events are being read."""

    id: UUID | None
    first: int
    size: int
    seen: int = 1

    def has(self, position: int, command_id: UUID | None) -> bool:
        return position < self.first + self.size and command_id == self.id


class Checker:
    """Takes rows in the order of their positions; what it remembers does not grow with them.

    Of a stream it remembers the version it is at, for as long as it can. Before the rows of a
    batch come, ask which of them are `strange` to it and let it `learn` those that it needs.
    """

    def __init__(self) -> None:
        self._findings: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._events = self._motion = 0
        self._last: Row | None = None
        self._command: Command | None = None
        self._versions: dict[UUID, int] = {}  # the one that came longest ago is first

    def report(self, after: int, head: int) -> Report:
        self._end_command()
        return Report(
            ok=not self._counts,
            after=after,
            head=head,
            events=self._events,
            motion=self._motion,
            counts=dict(self._counts),
            findings=self._findings,
        )

    def found(self, position: int | None, rule: str, detail: str) -> None:
        self._counts[rule] += 1
        if len(self._findings) < MOST_TOLD:
            self._findings.append(Finding(position, rule, detail))

    def strange(self, rows: Iterable[Row]) -> list[Row]:
        """The first rows of streams that are not new and not remembered; one call a batch."""
        for stream in list(islice(self._versions, max(len(self._versions) - MOST_STREAMS, 0))):
            del self._versions[stream]
        first: dict[UUID, Row] = {}
        for row in rows:
            if row.stream not in self._versions:
                first.setdefault(row.stream, row)
        return [row for row in first.values() if row.version > 1]

    def learn(self, versions: Mapping[UUID, int]) -> None:
        """The versions that such streams were at before those rows."""
        self._versions.update(versions)

    def check(self, row: Row) -> None:
        self._order(row)
        self._state(row)
        if row.partition is None:
            self._events += 1
            self._version(row)
            self._command_of(row)
        else:
            self._motion += 1
            if row.partition != partition_of(row.position):
                self.found(row.position, "partition", f"is in {row.partition}")

    def _order(self, row: Row) -> None:
        last, self._last = self._last, row
        if last is None:
            return
        if row.position <= last.position:
            self.found(row.position, "position", "is there twice")
        if row.at < last.at:
            before = f"is {(last.at - row.at).total_seconds():.6f} s before that of {last.position}"
            self.found(row.position, "recorded_at", before)

    def _state(self, row: Row) -> None:
        if row.topic is None or row.state is None:
            self.found(row.position, "topic" if row.topic is None else "state", "is missing")
            return
        try:
            decode(row.topic, row.state)
        except UnknownShape as error:
            self.found(row.position, "state", str(error))
        except UnknownTag as error:
            self.found(row.position, "topic", str(error))
        except UNREADABLE as error:
            self.found(row.position, "state", f"of {row.topic} cannot be decoded: {error}")

    def _version(self, row: Row) -> None:
        before = self._versions.pop(row.stream, 0)
        if row.version != before + 1:
            at_fault = f"follows {before}" if before else f"has no {row.version - 1} before it"
            self.found(row.position, "version", f"{row.version} of {row.stream} {at_fault}")
        self._versions[row.stream] = row.version

    def _command_of(self, row: Row) -> None:
        """A command is its first event, which has its id, and as many as that says behind it."""
        command_id = self._id_of(row)
        if row.command_id is not None:
            self._end_command()
            self._command = Command(command_id, row.position, row.command_size or 0)
            if row.command_id != command_id:
                detail = f"{row.command_id} is not the one in the metadata, {command_id}"
                self.found(row.position, "command", detail)
        elif self._command is not None and self._command.has(row.position, command_id):
            self._command.seen += 1
        elif command_id is not None:  # a stock writer's rows belong to none
            self._end_command()
            self.found(row.position, "command", f"{command_id} has no first event for this one")

    def _id_of(self, row: Row) -> UUID | None:
        """The command that the metadata name."""
        try:
            return decode_metadata(row.metadata).command_id
        except UNREADABLE as error:
            self.found(row.position, "metadata", f"cannot be decoded: {error}")
            return row.command_id or (self._command.id if self._command else None)

    def _end_command(self) -> None:
        command, self._command = self._command, None
        if command is not None and command.seen != command.size:
            detail = f"{command.id} has {command.seen} of its {command.size} events"
            self.found(command.first, "command", detail)
