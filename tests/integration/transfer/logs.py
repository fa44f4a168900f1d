"""Logs to export, and questions about them."""

from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import msgspec
import psycopg
from psycopg import sql

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata
from domain.motion import CursorMoved
from infra.eventstore.archive import Totals
from infra.eventstore.files import format_of, open_archive
from infra.eventstore.restore import import_log
from infra.eventstore.transfer import Transferred, export_log
from infra.eventstore.types import NEW, Motion, To
from infra.runtime import Runtime
from infra.settings import Settings
from tests.infra.until import until

ROOM = "project:00000000-0000-0000-0000-000000000001"
MANY = 6_000  # rows: several pages of an export, and more than a chunk of an import
NAMES = ["log.ndjson", "log.parquet"]

EVENTS = """
SELECT notification_id, originator_id, originator_version, topic, state, metadata, command_id,
    command_size, recorded_at FROM formula_events ORDER BY notification_id
"""
MOTIONS = """
SELECT position, participation, actor, project, tag, state, recorded_at
FROM formula_motion_events ORDER BY position
"""
FILL = """
WITH rows AS (
    SELECT n, n %% 10 = 0 AS motion, n - n / 10 AS nth,
        convert_to(format(CASE n %% 10 WHEN 0
            THEN '{"tag":"motion.cursor.v1","room":"r","at":{"n":%%s}}'
            ELSE '{"tag":"activity.recorded.v1","room":"r","kind":"k","data":{"n":%%s}}'
        END, n), 'UTF8') AS state
    FROM generate_series(1, %s) n
), motions AS (
    INSERT INTO formula_motion_events (position, participation, tag, state, recorded_at)
    SELECT n, gen_random_uuid(), 'motion.cursor.v1', state, now() FROM rows WHERE motion
)
INSERT INTO formula_events (notification_id, originator_id, originator_version, topic, state,
    metadata, command_id, command_size)
SELECT n, md5((nth %% 100)::text)::uuid, (nth + 99) / 100, 'activity.recorded.v1', state, '{}',
    gen_random_uuid(), 1
FROM rows WHERE NOT motion
"""
STOCK = """
INSERT INTO formula_events (originator_id, originator_version, topic, state)
VALUES (%s, 1, 'motion.cursor.v1', %s)
"""
COUNT = "SELECT count(*) FROM formula_events"
MOTION_COUNT = "SELECT count(*) FROM formula_motion_events"
SALT = "SELECT salt FROM formula_epoch"
NEXT_POSITION = "SELECT last_value + is_called::int FROM formula_events_notification_id_seq"

Logged = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


def quietly(_step: str, _done: int, _of: int) -> None:
    """Nobody watches."""


def exported(settings: Settings, target: Path, start: int = 1) -> Transferred:
    return export_log(settings.database_url, target, format_of(target), start, quietly)


def imported(settings: Settings, source: Path) -> Transferred:
    return import_log(settings.database_url, source, settings.event_compress_above, quietly)


def execute(conninfo: str, statement: LiteralString | sql.Composed, *values: object) -> None:
    with psycopg.connect(conninfo, autocommit=True) as db:
        db.execute(statement, values or None)


def ask(conninfo: str, statement: LiteralString) -> Any:
    with psycopg.connect(conninfo, autocommit=True) as db:
        return first(db, statement)


def first(db: psycopg.Connection, statement: LiteralString) -> Any:
    row = db.execute(statement).fetchone()
    assert row is not None
    return row[0]


def logged(conninfo: str) -> Logged:
    """Every column of every row of the log: events, motion facts."""
    with psycopg.connect(conninfo, autocommit=True) as db:
        return db.execute(EVENTS).fetchall(), db.execute(MOTIONS).fetchall()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(conninfo: str, count: int) -> None:
    """Quickly, over 100 streams; every tenth row is motion."""
    execute(conninfo, FILL, count)
    execute(conninfo, "SELECT setval('formula_events_notification_id_seq', %s)", count)


def act(text: str) -> Event:
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ActivityRecorded(room=ROOM, kind="note", data=data)


def meta() -> Metadata:
    return Metadata(actor=UUID(int=7), command="act", command_id=uuid4())


async def live(runtime: Runtime) -> UUID:
    """Some of everything that the store writes; returns a stream of three events."""
    stream, store = uuid4(), runtime.store
    await store.append(meta(), To(stream, NEW, (act("a"), act("ä\n\\ \x01"))))
    await store.append(meta(), To(uuid4(), NEW, (act("b"),)), To(stream, 2, (act("c" * 9_000),)))
    cursor = CursorMoved(room=ROOM, at=msgspec.Raw(b'{"x":\n1}'))
    moved = ask(runtime.settings.database_url, MOTION_COUNT)
    for participation in (UUID(int=8), UUID(int=9)):
        store.append_motion(Motion(cursor, participation, UUID(int=7), None))
    await until(lambda: ask(runtime.settings.database_url, MOTION_COUNT) == moved + 2)
    await store.append(meta(), To(uuid4(), NEW, (act("d"),)))
    return stream


def read(path: Path) -> tuple[list[bytes], Totals]:
    archive = open_archive(path)
    return list(archive.lines()), archive.totals
