"""What a projection is: its tables, the events it reads, a pure `project`, the writes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET

from domain.kernel import Event, Recorded
from domain.registry import tag_of
from infra.bus import Kind

E = TypeVar("E", bound=Event)


class Table(msgspec.Struct, frozen=True):
    """A read table. Column types are SQL; `indexes` are the part after CREATE INDEX ON table."""

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()
    pruned: str = ""  # the position column by which rows go that were kept for long enough


Row = dict[str, object]


class Insert(msgspec.Struct, frozen=True):
    """New rows. Rests on the checkpoint: a batch is applied once."""

    table: Table
    rows: Sequence[Row]


class Upsert(msgspec.Struct, frozen=True):
    """Rows by key: whole ones are inserted or replaced, partial ones change what they name.

    A partial row (one that lacks a column) of a key that is not there changes nothing. `newest`: a
    column by which the row that is there stays if it is greater, so that no order is needed.
    """

    table: Table
    rows: Sequence[Row]
    newest: str = ""


class Delete(msgspec.Struct, frozen=True):
    """Rows whose `columns` have the values, by default the key's."""

    table: Table
    keys: Sequence[tuple[object, ...]]
    columns: tuple[str, ...] = ()


class Sql(msgspec.Struct, frozen=True):
    """What the other writes cannot say: a literal statement with named parameters."""

    statement: str
    values: dict[str, object]


class Push(msgspec.Struct, frozen=True):
    """Something for a room's subscribers, after the commit. Only the group `live` returns it.

    `data` is encoded once. EVENT and MOTION frames have a `type`, and show the event itself. What
    is CHAINED enters the room's log and its prev chain; the rest does not.
    """

    room: str
    kind: Kind
    recorded: Recorded[Event]
    data: msgspec.Struct | UUID
    type: str = ""
    audience: int = 0


Write: TypeAlias = Insert | Upsert | Delete | Sql | Push


class Projection(msgspec.Struct, Generic[E], frozen=True):
    """A read model. A new `version` means: built anew in a schema of its own, then switched."""

    name: str
    group: str
    version: int
    tables: tuple[Table, ...]
    events: tuple[type[E], ...]
    project: Callable[[Sequence[Recorded[Any]]], list[Write]]
    motion: bool = False  # reads motion facts, and then nothing durable
    by_stream: bool = True  # a row depends on the events of one stream, and on no other's order

    @property
    def tags(self) -> frozenset[str]:
        """What to read of the log."""
        return frozenset(tag_of(event) for event in self.events)


class Rows:
    """Folds a batch's changes into one row a key, so that a batch writes each row once.

    A deleted key starts anew; the order of keys is that of their first change.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[tuple[object, ...], Row] = {}
        self._deleted: dict[tuple[object, ...], None] = {}

    def put(self, **values: object) -> None:
        """Set columns; UNSET values are left as they are. The key's columns are required."""
        key = tuple(values[column] for column in self._table.key)
        given = {name: value for name, value in values.items() if value is not UNSET}
        self._rows.setdefault(key, {}).update(given)

    def delete(self, *key: object) -> None:
        self._rows.pop(key, None)
        self._deleted[key] = None

    def writes(self) -> list[Write]:
        """Deletes before upserts: what was put after its deletion stays."""
        writes: list[Write] = []
        if self._deleted:
            writes.append(Delete(self._table, list(self._deleted)))
        if self._rows:
            writes.append(Upsert(self._table, list(self._rows.values())))
        return writes


def reads(projections: Iterable[Projection[Any]]) -> frozenset[type[Event]]:
    """The event types that any of them handles."""
    return frozenset(event for projection in projections for event in projection.events)
