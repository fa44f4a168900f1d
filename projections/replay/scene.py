"""The scene that a replay opens with: who was there, what was locked, what had just happened."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.errors import Invalid
from domain.kernel import Event, Recorded
from infra.runtime import Runtime
from projections.locks import LockRow, with_queues
from projections.members import MemberRow
from projections.read import reading
from projections.replay.keyframes import seek
from projections.replay.moments import Moment, Pointer, motion_kept, pointers, resolve
from projections.timeline import newest_of

RECENT = 20  # events, as many as a live room shows


class Scene(msgspec.Struct, frozen=True):
    """A project's rooms at a moment. Before the project was created nobody is there."""

    moment: Moment
    members: list[MemberRow]
    locks: list[LockRow]
    cursors: list[Pointer]
    cursors_from: int | None  # retention has dropped them: the next position that has them
    recent: list[Recorded[Event]]  # oldest first


async def scene_at(runtime: Runtime, project: UUID, wanted: int | datetime, upto: Moment) -> Scene:
    """The scene at a moment not after `upto`, which the timeline must have reached."""
    async with reading(runtime) as db:
        moment = await resolve(db, wanted)
        if moment.position > upto.position:
            raise Invalid("replay.past_its_end", position=moment.position, end=upto.position)
        then = await seek(db, project, moment.position)
        kept = await motion_kept(db, moment.position)
        here = {member.participation for member in then.members}
        gone = kept != moment.position
        shown = [] if gone else await pointers(db, project, moment)
        return Scene(
            moment=moment,
            members=then.members,
            locks=with_queues(then.locks, then.lock_waiters),
            cursors=[one for one in shown if one.participation in here],
            cursors_from=kept if gone else None,
            recent=await newest_of(db, project, moment.position, RECENT),
        )
