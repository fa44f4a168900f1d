"""The rooms' log: what is pushed is what is kept, each frame with the room's previous position."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from infra.bus import CHAINED, Entry, Kind
from infra.db import Connection
from projections.frames import ev_bytes, mo_bytes
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

    async def admit(self, connection: Connection, pushes: Sequence[Push]) -> Admitted:
        """Chain the frames. After a failed transaction `forget` what was chained here."""
        await self._load(connection, {p.room for p in pushes if p.kind in CHAINED})
        entries: dict[str, list[Entry]] = {}
        rows: list[Row] = []
        for push in pushes:
            entry = self._entry(push)
            entries.setdefault(push.room, []).append(entry)
            if entry.kind in CHAINED:
                rows.append(_row(push.room, entry))
        heads = [{"room": row["room"], "pos": self._heads[str(row["room"])]} for row in rows]
        heads = list({str(row["room"]): row for row in heads}.values())
        writes: list[Write] = [Insert(ROOM_LOG, rows), Upsert(ROOM_HEADS, heads)] if rows else []
        return Admitted(writes, entries)

    def forget(self) -> None:
        self._heads.clear()

    def trim(self) -> None:
        while len(self._heads) > MAX_HEADS:
            self._heads.popitem(last=False)

    def _entry(self, push: Push) -> Entry:
        pos = push.recorded.position
        match push.kind:
            case Kind.EVENT | Kind.RIGHTS:
                prev = self._heads.get(push.room, 0)
                self._heads[push.room] = pos
                self._heads.move_to_end(push.room)
                event = push.kind is Kind.EVENT
                payload = ev_bytes(push, prev) if event else _payload(push.data)
                return Entry(push.kind, pos, payload, prev, push.audience)
            case Kind.MOTION:
                return Entry(push.kind, pos, mo_bytes(push), 0, push.audience)
            case _:
                return Entry(push.kind, pos, _payload(push.data), 0, push.audience)

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
