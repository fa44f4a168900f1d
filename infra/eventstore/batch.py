"""A batch as Postgres is given it, and what it answers; migrations/0005 says what they mean."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from struct import Struct

from infra.eventstore import binary
from infra.eventstore.binary import BYTEA, INT4, INT8, TEXT, UUID_
from infra.eventstore.pipe import Row, Statement
from infra.eventstore.queue import Command, MotionRow
from infra.eventstore.types import Appended, Conflict, Repeated

CHECK, NEW_EVENT = TYPES = ("formula_check", "formula_new_event")

APPEND = """
SELECT outcomes, bases, first_position, stamp FROM formula_append(
    $1::bool, $2::uuid[], $3::formula_check[], $4::formula_new_event[])
"""
APPEND_MOTION = """
SELECT formula_append_motion($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[])
"""
# What a command stored; its positions follow one another: they were drawn under one lock.
RECORDED = """
SELECT array_agg(e.notification_id ORDER BY e.notification_id),
    array_agg(e.originator_version ORDER BY e.notification_id), min(e.recorded_at)
FROM formula_events f JOIN formula_events e
    ON e.notification_id >= f.notification_id
    AND e.notification_id < f.notification_id + f.command_size
WHERE f.command_id = $1::uuid
"""
STATEMENTS = {"append": APPEND, "append_motion": APPEND_MOTION, "recorded": RECORDED}

STORED, REPEATED, CONFLICT = 0, 1, 2

# Composites: a number of fields, then oid, length and value of each.
_CHECK = Struct(">ii Iii II16s IIq Iii")  # with its length in front, as an array has it
_PLACE = Struct(">i Iii Iii II16s")  # of a new event: its check, its place there, its stream
_FIRST = Struct(">II16s Iii")  # of a command's first event: the command's id and size
_NOT_FIRST = Struct(">Ii Ii").pack(UUID_, -1, INT4, -1)


def append_statement(batch: Sequence[Command], oids: Mapping[str, int]) -> Statement:
    """The values of formula_append; commands, checks and events are counted from 1."""
    checks: list[bytes] = []
    events: list[bytes] = []
    for number, command in enumerate(batch, 1):
        rest = iter(command.events)
        metadata = binary.field(BYTEA, command.metadata)
        tail = _FIRST.pack(UUID_, 16, command.id.bytes, INT4, 4, len(command.events))
        for stream, expected, size in command.checks:
            key = stream.bytes
            checks.append(_check(number, key, expected, size))
            for nth, (tag, state) in enumerate(islice(rest, size), 1):
                place = _PLACE.pack(8, INT4, 4, len(checks), INT4, 4, nth, UUID_, 16, key)
                fields = (place, _topic(tag), binary.field(BYTEA, state), metadata, tail)
                events.append(binary.element(b"".join(fields)))
                tail = _NOT_FIRST
    return b"append", [
        binary.TRUE if all(command.exact for command in batch) else binary.FALSE,
        binary.uuids([command.id for command in batch]),
        binary.array(oids[CHECK], checks),
        binary.array(oids[NEW_EVENT], events),
    ]


def _check(command: int, stream: bytes, expected: int, size: int) -> bytes:
    first = (INT4, 4, command, UUID_, 16, stream)
    return _CHECK.pack(_CHECK.size - 4, 4, *first, INT8, 8, expected, INT4, 4, size)


@cache
def _topic(tag: str) -> bytes:
    return binary.field(TEXT, tag.encode())


def motion_statement(rows: Sequence[MotionRow]) -> Statement:
    """The values of formula_append_motion."""
    participations, actors, projects, tags, states = zip(*rows, strict=True)
    return b"append_motion", [
        binary.uuids(participations),
        binary.uuids(actors),
        binary.uuids(projects),
        binary.texts(tags),
        binary.byteas(states),
    ]


def recorded_statement(command: Command) -> Statement:
    return b"recorded", [command.id.bytes]


def answers(batch: Sequence[Command], row: Row) -> Iterator[tuple[Command, Appended | Exception]]:
    """What became of each command, from the row of formula_append."""
    outcomes, bases = binary.integers(row[0]), binary.integers(row[1])
    position, at = binary.integer(row[2]), binary.timestamp(row[3])
    check = 0
    for number, command in enumerate(batch):
        count = len(command.events)
        outcome = STORED if outcomes is None else outcomes[number]
        if outcome == STORED:
            versions = _versions(command, bases and bases[check:])
            yield command, Appended(tuple(range(position, position + count)), versions, at)
        else:
            yield command, Repeated() if outcome == REPEATED else Conflict()
        position += count
        check += len(command.checks)


def _versions(command: Command, bases: Sequence[int] | None) -> tuple[int, ...]:
    versions: list[int] = []
    for nth, (_, expected, size) in enumerate(command.checks):
        base = expected if bases is None else bases[nth]
        versions += range(base + 1, base + size + 1)
    return tuple(versions)


def recorded(row: Row) -> Appended:
    """What an earlier sending of a repeated command stored, from the row of RECORDED."""
    positions, versions = binary.integers(row[0]), binary.integers(row[1])
    return Appended(tuple(positions or ()), tuple(versions or ()), binary.timestamp(row[2]))
