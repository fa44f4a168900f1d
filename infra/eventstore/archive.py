"""The log outside the database: a line of JSON for each row, and what such lines must satisfy.

The hash is that of the lines, in whatever format a file keeps them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from domain.registry import EVENTS, MOTION_EVENTS
from domain.upcasts import UPCASTS
from infra.eventstore.codec import MAX_STATE

FORMAT = 1  # of the lines: a Row that changes is a new number
TAGS = frozenset({*EVENTS, *MOTION_EVENTS, *UPCASTS})
INT4, INT8 = 2**31 - 1, 2**63 - 1


class ArchiveError(Exception):
    """An archive cannot be written or read: where, why, and what to do."""


class BadRow(Exception):
    """A line is not what an export writes."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An event; or a motion fact: version 0, and `stream` is its participation.

    `state` and `metadata` are objects, byte for byte as they are stored. Bytes that are not one
    line of JSON are a string instead: their base64.
    """

    position: Annotated[int, Meta(ge=1, le=INT8)]
    recorded_at: Annotated[datetime, Meta(tz=True)]
    stream: UUID
    version: Annotated[int, Meta(ge=0, le=INT8)]
    tag: str
    state: Raw
    metadata: Raw | UnsetType = UNSET
    command_id: UUID | None = None
    command_size: Annotated[int, Meta(ge=1, le=INT4)] | None = None
    actor: UUID | None = None
    project: UUID | None = None


class Header(msgspec.Struct, frozen=True):
    """What is known before the first row: positions `start` to `head` of the log `epoch`."""

    formula_log: int  # FORMAT
    epoch: str
    start: int
    head: int


class Totals(msgspec.Struct, frozen=True):
    """What is known after the last row."""

    events: int
    motion: int
    first: int  # position; 0 where there is no row
    last: int
    sha256: str

    @property
    def rows(self) -> int:
        return self.events + self.motion


class Digest:
    """The totals of rows as they pass."""

    def __init__(self) -> None:
        self._sha = sha256()
        self.events = self.motion = self.first = self.last = 0

    @property
    def rows(self) -> int:
        return self.events + self.motion

    def add(self, rows: Sequence[Row], lines: bytes) -> None:
        """`lines` are those of `rows`, at least one."""
        self._sha.update(lines)
        self.first = self.first or rows[0].position
        self.last = rows[-1].position
        motion = sum(row.version == 0 for row in rows)
        self.motion += motion
        self.events += len(rows) - motion

    def totals(self) -> Totals:
        return Totals(self.events, self.motion, self.first, self.last, self._sha.hexdigest())


class Archive(msgspec.Struct, frozen=True):
    """An archive's beginning and end, and its lines."""

    name: str
    header: Header
    totals: Totals
    lines: Callable[[], Iterator[bytes]]
    unit: str  # what its rows are called: line or row
    above: int = 0  # lines before the first row

    def place(self, number: int) -> str:
        """Where row `number`, counted from 1, is found."""
        return f"{self.name}, {self.unit} {number + self.above}"

    def rows(self, digest: Digest) -> Iterator[Row]:
        """Every row, once it is known to be right by itself and to follow the one before.

        Raises ArchiveError for the first that is not, and at the end if the totals differ.
        """
        for number, line in enumerate(self.lines(), start=1):
            try:
                row = follow(digest, line)
                _importable(row)
            except BadRow as error:
                raise ArchiveError(f"{self.place(number)}: {error}") from error
            yield row
        if digest.totals() != self.totals:
            raise ArchiveError(
                f"{self.name} was altered: {_summary(digest.totals())}, but by its own totals"
                f" {_summary(self.totals)}. Export the log again"
            )


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Row)
_any = msgspec.json.Decoder(Raw)
_base64 = msgspec.json.Decoder(bytes)


def encoded(rows: Sequence[Row]) -> bytes:
    """The rows' lines, for which there is no other way to write them."""
    return _encoder.encode_lines(rows)


def follow(digest: Digest, line: bytes) -> Row:
    """The row of a line, added to the digest. Raises BadRow unless it can come next."""
    row = _decoded(line)
    if row.position <= digest.last:
        raise BadRow(f"position {row.position} does not come after {digest.last}")
    digest.add((row,), line)
    return row


def packed(data: bytes) -> Raw:
    """Stored bytes as a row has them."""
    return Raw(data) if _is_line(data) else Raw(_encoder.encode(data))


def unpacked(value: Raw) -> bytes:
    """The stored bytes again. Raises msgspec.DecodeError."""
    data = bytes(value)
    return data if data.startswith(b"{") else _base64.decode(data)


def _is_line(data: bytes) -> bool:
    """Whether it can stand in a line as it is, and come back as it was."""
    if not (data.startswith(b"{") and data.endswith(b"}")) or b"\n" in data:
        return False
    try:
        data.decode()
        _any.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _decoded(line: bytes) -> Row:
    try:
        line.decode()  # of JSON that is kept as it is, the decoder skips what is inside
        row = _decoder.decode(line)
        same = encoded((row,)) == line and _is_packed(row.state) and _is_packed(row.metadata)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRow(str(error)) from error
    if not same:
        raise BadRow("not written as an export writes it")
    _check_kind(row)
    return row


def _is_packed(value: Raw | UnsetType) -> bool:
    if value is UNSET:
        return True
    data = bytes(value)
    return data.startswith(b"{") or bytes(packed(_base64.decode(data))) == data


def _check_kind(row: Row) -> None:
    of_command = (row.command_id is None, row.command_size is None)
    if row.version:
        if row.actor or row.project or len(set(of_command)) > 1:
            raise BadRow("neither an event nor a motion fact")
    elif row.metadata is not UNSET or of_command != (True, True):
        raise BadRow("a motion fact (version 0) with an event's fields")


def _importable(row: Row) -> None:
    if row.tag not in TAGS:
        raise BadRow(f"unknown event {row.tag!r}: import with the version of formula that wrote it")
    state = unpacked(row.state)
    if len(state) > MAX_STATE:
        raise BadRow(f"its state is {len(state)} bytes, at most {MAX_STATE}")


def _summary(totals: Totals) -> str:
    return f"{totals.events} events, {totals.motion} motion facts, sha256 {totals.sha256[:16]}…"
