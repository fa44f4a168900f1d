"""The room at a moment, and what changed between two."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from domain.errors import Invalid, NotFound
from infra.runtime import Runtime
from projections.documents import DocumentItem
from projections.locks import LockRow, with_queues
from projections.members import MemberRow
from projections.projects import ProjectMemberRow, ProjectRow
from projections.read import reading, wait_for
from projections.replay.keyframes import seek
from projections.replay.moments import (
    Moment,
    Pointer,
    Wanted,
    durable,
    motion_kept,
    pointers,
    resolve,
)
from projections.replay.scene import RECENT
from projections.replay.session import Played, played
from projections.replay.state import TABLES, Then
from projections.tasks import TaskRow
from projections.timeline import PROJECTION, newest_of, next_of


class Room(msgspec.Struct, frozen=True):
    """A project as it was. `cursors` is None where `cursors_gone` says why.

    `members` are those in its rooms then, `team` those who could be; `recent` what had just
    happened, and `next` where the event after that is.
    """

    moment: Moment
    project: ProjectRow
    team: list[ProjectMemberRow]
    members: list[MemberRow]
    locks: list[LockRow]
    cursors: list[Pointer] | None
    cursors_from: int | None  # where they are gone: the next position that has them
    cursors_gone: str | None
    tasks: list[TaskRow]
    documents: list[DocumentItem]
    recent: list[Played]  # oldest first
    next: int | None


class Change(msgspec.Struct, frozen=True):
    """A row that differs: `was` is None for one that came, `now` for one that went.

    Of a row that is in both, only the fields that differ are named.
    """

    table: str
    key: list[str]
    was: dict[str, object] | None
    now: dict[str, object] | None


class Difference(msgspec.Struct, frozen=True):
    """What is not the same at two moments."""

    was: Moment
    now: Moment
    changes: list[Change]


async def room_at(runtime: Runtime, project: UUID, wanted: Wanted) -> Room:
    """The project at a moment. Raises NotFound for one that did not exist yet."""
    async with runtime.db.connection() as db:
        moment = await resolve(db, wanted)
        needed = await durable(db, moment)
    async with reading(runtime, min_position=needed, group=PROJECTION.group) as db:
        then = await seek(db, project, moment.position)
        kept = await motion_kept(db, moment.position)
        found = await pointers(db, project, moment) if kept == moment.position else None
        if not then.projects:
            raise NotFound("replay.not_created_yet", project=project, position=moment.position)
        recent = await newest_of(db, project, moment.position, RECENT)
        following = await next_of(db, project, moment.position)
    return _room(then, moment, kept, found, [played(one) for one in recent], following)


def _room(
    then: Then,
    moment: Moment,
    kept: int,
    found: list[Pointer] | None,
    recent: list[Played],
    following: int | None,
) -> Room:
    here = {member.participation for member in then.members}
    gone = f"retention has dropped these cursors: the next are at position {kept}"
    return Room(
        moment=moment,
        project=then.projects[0],
        team=then.project_members,
        members=then.members,
        locks=with_queues(then.locks, then.lock_waiters),
        cursors=None if found is None else [one for one in found if one.participation in here],
        cursors_from=kept if found is None else None,
        cursors_gone=gone if found is None else None,
        tasks=then.tasks,
        documents=[one for one in then.documents if not one.removed],
        recent=recent,
        next=following,
    )


async def span(runtime: Runtime, start: Wanted, end: Wanted) -> tuple[Moment, Moment]:
    """Two moments that the timeline has reached. Raises Invalid where the later comes first."""
    async with runtime.db.connection() as db:
        first, last = await resolve(db, start), await resolve(db, end)
        needed = max(await durable(db, first), await durable(db, last))
    if last.position < first.position:
        raise Invalid("replay.backwards", start=first.position, end=last.position)
    await wait_for(runtime, PROJECTION.group, needed)
    return first, last


async def difference(runtime: Runtime, project: UUID, start: Wanted, end: Wanted) -> Difference:
    """What changed from one moment to a later one."""
    was, now = await span(runtime, start, end)
    async with reading(runtime) as db:
        before = await seek(db, project, was.position)
        after = await seek(db, project, now.position)
    return Difference(was, now, list(changes(before, after)))


def changes(before: Then, after: Then) -> Iterator[Change]:
    """Row by row, table by table, in the order of their keys; what came is last in its table."""
    for table in TABLES:
        old, new = _rows(before, table.name, table.key), _rows(after, table.name, table.key)
        for key in [*old, *(key for key in new if key not in old)]:
            was, now = old.get(key), new.get(key)
            if was != now:
                yield _change(table.name, key, was, now)


def _rows(then: Then, table: str, key: tuple[str, ...]) -> dict[tuple[str, ...], msgspec.Struct]:
    rows: list[msgspec.Struct] = getattr(then, table)
    return {tuple(str(getattr(row, name)) for name in key): row for row in rows}


def _change(
    table: str, key: tuple[str, ...], was: msgspec.Struct | None, now: msgspec.Struct | None
) -> Change:
    old = msgspec.structs.asdict(was) if was is not None else None
    new = msgspec.structs.asdict(now) if now is not None else None
    if old is not None and new is not None:
        differ = [name for name in old if old[name] != new[name]]
        old = {name: old[name] for name in differ}
        new = {name: new[name] for name in differ}
    return Change(table, list(key), old, new)
