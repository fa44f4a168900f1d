"""The rooms' log: what is pushed is what is kept, each frame with the room's previous position."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from domain.kernel import Event
from infra.bus import CHAINED, Entry
from infra.db import Connection
from projections.frames import ev_bytes, event_data, mo_bytes
from projections.model import Insert, Push, Row, Table, Upsert, Write

MAX_HEADS = 100_000  # rooms whose newest position is remembered

ROOM_LOG = Table(
    name="room_log",
    columns={
        "room": "text NOT NULL",
        "pos": "bigint NOT NULL",
        "prev": "bigint NOT NULL",
        "kind": "smallint NOT NULL",
        "audience": "smallint NOT NULL",
        "frame": "bytea NOT NULL",
    },
    key=("room", "pos"),
    pruned="pos",
)
ROOM_HEADS = Table(
    name="room_heads",
    columns={"room": "text NOT NULL", "pos": "bigint NOT NULL"},
    key=("room",),
)


class Admitted(msgspec.Struct, frozen=True):
    """A batch's pushes as rows for the log and as entries for the bus, both in order."""

    writes: list[Write]
    entries: dict[str, list[Entry]]


class Feed:
    """Gives every durable frame its `prev`. Belongs to the one leader of the group `live`."""

    def __init__(self) -> None:
        self._heads: OrderedDict[str, int] = OrderedDict()
        self._encoded: tuple[Event | None, msgspec.Raw] = (None, msgspec.Raw())

    async def admit(self, connection: Connection, pushes: Sequence[Push]) -> Admitted:
        """Chain the frames. After a failed transaction `forget` what was chained here."""
        await self._load(connection, {p.room for p in pushes if p.kind in CHAINED})
        entries: dict[str, list[Entry]] = {}
        rows: list[Row] = []
        heads: dict[str, Row] = {}
        for push in pushes:
            entry, room = self._entry(push), push.room
            entries.setdefault(room, []).append(entry)
            if entry.kind in CHAINED:
                rows.append(_row(room, entry))
                heads[room] = {"room": room, "pos": entry.pos}
        writes: list[Write] = []
        if rows:
            writes = [Insert(ROOM_LOG, rows), Upsert(ROOM_HEADS, list(heads.values()))]
        return Admitted(writes, entries)

    def forget(self) -> None:
        self._heads.clear()

    def trim(self) -> None:
        while len(self._heads) > MAX_HEADS:
            self._heads.popitem(last=False)

    def _entry(self, push: Push) -> Entry:
        pos, kind = push.recorded.position, push.kind
        if kind in CHAINED:
            prev = self._heads.get(push.room, 0)
            self._heads[push.room] = pos
            self._heads.move_to_end(push.room)
            shown = bool(push.type)
            payload = ev_bytes(push, prev, self._data(push)) if shown else _payload(push.data)
            return Entry(kind, pos, payload, prev, push.audience)
        payload = mo_bytes(push, self._data(push)) if push.type else _payload(push.data)
        return Entry(kind, pos, payload, 0, push.audience)

    def _data(self, push: Push) -> msgspec.Raw:
        """Encoded once, however many rooms see the event: its pushes follow each other."""
        if self._encoded[0] is not push.recorded.event:
            self._encoded = (push.recorded.event, event_data(push.recorded.event))
        return self._encoded[1]

    async def _load(self, connection: Connection, rooms: Iterable[str]) -> None:
        unknown = [room for room in rooms if room not in self._heads]
        if unknown:
            cursor = await connection.execute(
                "SELECT room, pos FROM room_heads WHERE room = ANY(%s) ORDER BY room", (unknown,)
            )
            self._heads.update(dict(await cursor.fetchall()))


def _payload(data: msgspec.Struct | UUID) -> bytes:
    return data.bytes if isinstance(data, UUID) else msgspec.json.encode(data)


def _row(room: str, entry: Entry) -> Row:
    return {
        "room": room,
        "pos": entry.pos,
        "prev": entry.prev,
        "kind": entry.kind,
        "audience": entry.audience,
        "frame": entry.payload,
    }
