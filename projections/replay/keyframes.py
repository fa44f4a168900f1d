"""Seeking: from the newest keyframe at or below a position, and the events from there on.

A keyframe is a state at a position, kept every EVERY events by whoever folds past one. It belongs
to one log (its epoch) and to one version of the code, so that another's is never taken.
"""

import zlib
from uuid import UUID

import msgspec

from infra.db import Connection
from infra.eventstore.epoch import EPOCH
from projections.replay.state import MODELS, Fold, Then
from projections.rows import NEWEST_POSITION
from projections.timeline import PROJECTION, events_of

EVERY = 2_000  # events
MOST_DUE = 100  # projects of one round
_LEVEL = 1  # of zlib: states are large and alike
_VERSIONS = " ".join(f"{one.name}.{one.version}" for one in (PROJECTION, *MODELS))

FIND = """
SELECT position, state FROM formula_keyframes
WHERE project = %(project)s AND fingerprint = %(fingerprint)s AND position <= %(position)s
ORDER BY position DESC LIMIT 1
"""
# None while the timeline lacks an event: a dead letter may still be applied.
KEEP = """
INSERT INTO formula_keyframes (project, fingerprint, position, state)
SELECT %(project)s, %(fingerprint)s, %(position)s, %(state)s
WHERE NOT EXISTS (SELECT FROM formula_dead_letters WHERE projection = 'timeline')
ON CONFLICT DO NOTHING
"""
# Projects of which more than EVERY events lie above their newest keyframe.
DUE = """
SELECT p.id FROM projects p
CROSS JOIN LATERAL (
    SELECT coalesce(max(k.position), 0) AS kept FROM formula_keyframes k
    WHERE k.project = p.id AND k.fingerprint = %(fingerprint)s
) k
CROSS JOIN LATERAL (
    SELECT FROM timeline t WHERE t.project = p.id AND t.position > k.kept
    ORDER BY t.position OFFSET %(every)s LIMIT 1
) t
ORDER BY p.id LIMIT %(limit)s
"""
FORGET = "DELETE FROM formula_keyframes WHERE fingerprint <> %(fingerprint)s"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Then)


async def seek(db: Connection, project: UUID, position: int) -> Then:
    """The project after the events up to `position`, which the timeline must have reached."""
    fingerprint = await _fingerprint(db)
    after, fold = await _start(db, project, fingerprint, position)
    while batch := await events_of(db, project, after, position, EVERY):
        fold.add(batch)
        after = batch[-1].position
        if len(batch) < EVERY:
            break
        await _keep(db, project, fingerprint, after, fold)
    return fold.then()


async def keep_up(db: Connection) -> int:
    """Make those that are due, so that nobody waits for them; returns of how many projects."""
    fingerprint = await _fingerprint(db)
    values = {"fingerprint": fingerprint, "every": EVERY, "limit": MOST_DUE}
    due = [project for (project,) in await (await db.execute(DUE, values)).fetchall()]
    for project in due:
        await seek(db, project, NEWEST_POSITION)
    return len(due)


async def forget(db: Connection) -> int:
    """Keyframes of another log or of other code, which nobody takes any more; how many."""
    cursor = await db.execute(FORGET, {"fingerprint": await _fingerprint(db)})
    return cursor.rowcount


async def _start(
    db: Connection, project: UUID, fingerprint: str, position: int
) -> tuple[int, Fold]:
    values = {"project": project, "fingerprint": fingerprint, "position": position}
    row = await (await db.execute(FIND, values, prepare=True, binary=True)).fetchone()
    if row is None:
        return 0, Fold()
    return row[0], Fold(_decoder.decode(zlib.decompress(row[1])))


async def _keep(db: Connection, project: UUID, fingerprint: str, at: int, fold: Fold) -> None:
    state = zlib.compress(_encoder.encode(fold.then()), _LEVEL)
    values = {"project": project, "fingerprint": fingerprint, "position": at, "state": state}
    await db.execute(KEEP, values, prepare=True)


async def _fingerprint(db: Connection) -> str:
    row = await (await db.execute(EPOCH)).fetchone()
    return f"{row[0] if row else ''} {_VERSIONS}"
