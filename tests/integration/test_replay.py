"""Replay: the past by folding equals what the read tables showed while it was the present."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import msgspec
import psycopg
import pytest

from domain.errors import Invalid, NotFound, Refused
from domain.kernel import Command, Decider
from domain.lock import LOCK, AcquireLock, ReleaseLock, lock_stream
from domain.motion import MotionFact, cursor, typing
from domain.participation import PARTICIPATION, Join, Leave, LeaveReason, SetStatus
from domain.project import (
    PROJECT,
    AddMember,
    ChangeProject,
    ChangeProjectStatus,
    CreateProject,
    ProjectRole,
    ProjectStatus,
    RemoveMember,
)
from domain.task import (
    TASK,
    AddComment,
    AssignTask,
    ChangeTask,
    ChangeTaskStatus,
    CreateTask,
    RemoveComment,
    TaskStatus,
)
from infra.eventstore.motion import WIDTH
from infra.eventstore.types import Motion
from infra.runtime import SYSTEM, Runtime
from projections.locks import locks_of
from projections.members import MemberRow
from projections.projects import get_project, project_members_of
from projections.read import reading, wait_for
from projections.replay import keyframes
from projections.replay.keyframes import forget, keep_up, seek
from projections.replay.moments import resolve
from projections.replay.room import difference, room_at
from projections.replay.state import Then
from projections.rows import fetch_all
from projections.tasks import list_tasks

Step = tuple[Decider[Any, Any, Any], UUID, Command]

ANN, BOB = UUID(int=1), UUID(int=2)

MEMBERS = """
SELECT participation, room, user_id, connection, node, project, device, location, status,
    joined_at, pos
FROM members WHERE project = %(project)s ORDER BY participation LIMIT 100
"""


class Story:
    """A project that things happen to; `position` is that of the last one."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.project = uuid4()
        self.room = f"project:{self.project}"
        self.tasks, self.here = [uuid4(), uuid4()], [uuid4(), uuid4()]
        self.comments = [uuid4(), uuid4()]
        self.position = 0

    async def do(self, decider: Decider[Any, Any, Any], stream: UUID, command: Command) -> None:
        """Half of what happens does not say of which project it is, as its stream does."""
        said = self.project if self.position % 2 else None
        outcome = await self.runtime.execute(SYSTEM, decider, stream, command, project=said)
        self.position = outcome.position or self.position

    async def begin(self) -> None:
        create = CreateProject(name="Bridge", manager=ANN, at=self.runtime.now())
        await self.do(PROJECT, self.project, create)

    async def join(self, participation: UUID) -> None:
        await self.do(PARTICIPATION, participation, self._join())

    def steps(self, random: Random) -> Iterator[Step]:
        """Whatever people may do, for ever; some of it is refused."""
        while True:
            task, here = random.choice(self.tasks), random.choice(self.here)
            yield random.choice(
                [*self._in_project(random), *self._on_task(random, task), *self._in_room(here)]
            )

    def _in_project(self, random: Random) -> list[Step]:
        commands = [
            ChangeProject(name=random.choice("PQR"), client=random.choice([ANN, None])),
            ChangeProjectStatus(status=random.choice(list(ProjectStatus)[:3])),
            AddMember(user=BOB, role=random.choice(list(ProjectRole))),
            RemoveMember(user=BOB),
        ]
        return [(PROJECT, self.project, command) for command in commands]

    def _on_task(self, random: Random, task: UUID) -> list[Step]:
        now, comment = self.runtime.now(), random.choice(self.comments)
        commands = [
            CreateTask(project=self.project, title="T", assignee=ANN, at=now),
            ChangeTask(title=random.choice("TUV"), due=random.choice([now.date(), None])),
            ChangeTaskStatus(status=random.choice(list(TaskStatus))),
            AssignTask(assignee=random.choice([ANN, BOB, None])),
            AddComment(comment=comment, author=ANN, body="B", at=now),
            RemoveComment(comment=comment, by=ANN),
        ]
        return [(TASK, task, command) for command in commands]

    def _in_room(self, here: UUID) -> list[Step]:
        now, lock = self.runtime.now(), lock_stream(self.project, "plan")
        acquire = AcquireLock(
            project=self.project, resource="plan", holder=ANN, participation=here, now=now
        )
        leave = Leave(reason=LeaveReason.SAID)
        return [
            (PARTICIPATION, here, self._join()),
            (PARTICIPATION, here, SetStatus(status="busy", location="plan")),
            (PARTICIPATION, here, leave),
            (LOCK, lock, acquire),
            (LOCK, lock, ReleaseLock(holder=ANN, token=1, now=now)),
        ]

    def _join(self) -> Join:
        node = self.runtime.node
        return Join(user=ANN, connection=ANN, room=self.room, project=self.project, node=node)

    async def shown(self) -> Then:
        """What the read tables show once they are at `position`."""
        for group in ("live", "queries", "audit"):
            await wait_for(self.runtime, group, self.position)
        async with reading(self.runtime) as db:
            project = await get_project(db, self.project)
            tasks = await list_tasks(db, project=self.project)
            return Then(
                projects=[project] if project else [],
                project_members=await project_members_of(db, self.project),
                members=await fetch_all(db, MemberRow, MEMBERS, {"project": self.project}),
                locks=await locks_of(db, self.project),
                tasks=sorted(tasks, key=lambda row: row.id.int),
            )

    async def replayed(self, position: int) -> Then:
        async with reading(self.runtime) as db:
            return await seek(db, self.project, position)

    async def move(self, participation: UUID, fact: MotionFact) -> None:
        """A motion fact, once it is stored."""
        head = await self.runtime.store.head()
        self.runtime.store.append_motion(Motion(fact, participation, ANN, self.project))
        async for batch in self.runtime.store.tail(head):
            if any(one.stream == participation for one in batch):
                self.position = batch[-1].position
                return


@pytest.fixture
async def story(projected: Runtime) -> Story:
    story = Story(projected)
    await story.begin()
    return story


@pytest.mark.parametrize("seed", range(3))
async def test_every_moment_is_what_the_read_tables_showed_then(
    seed: int, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "EVERY", 3)
    random, past = Random(seed), {story.position: await story.shown()}  # noqa: S311, a test
    steps = story.steps(random)
    while len(past) < 30:
        before = story.position
        try:
            await story.do(*next(steps))
        except Refused:
            continue
        if story.position != before:
            past[story.position] = await story.shown()
    wanted = list(past)
    for position in random.sample(wanted, len(wanted)) + wanted:  # with and without keyframes
        assert await story.replayed(position) == past[position]
    assert await count_keyframes(story.runtime) > 5


async def test_a_keyframe_of_other_code_or_of_another_log_is_never_taken(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "EVERY", 1)
    shown = await story.shown()
    assert await story.replayed(story.position) == shown
    async with story.runtime.db.connection() as db:
        await db.execute("UPDATE formula_keyframes SET state = 'damaged'")
    with pytest.raises(Exception, match="header"):
        await story.replayed(story.position)
    async with story.runtime.db.connection() as db:
        await db.execute("UPDATE formula_epoch SET salt = gen_random_uuid()")
    assert await story.replayed(story.position) == shown


async def test_keyframes_are_made_before_somebody_needs_them(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "EVERY", 1)
    await story.shown()  # two events: one keyframe is due, and then none
    async with reading(story.runtime) as db:
        await db.execute(
            "INSERT INTO formula_keyframes (project, fingerprint, position, state)"
            " VALUES (gen_random_uuid(), 'of another log', 1, '')"
        )
        assert [await keep_up(db) for _ in range(2)] == [1, 0]
        assert [await forget(db) for _ in range(2)] == [1, 0]
    assert await count_keyframes(story.runtime) == 2


async def test_no_keyframe_is_made_while_an_event_waits_to_be_applied(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyframes, "EVERY", 1)
    await story.shown()
    async with story.runtime.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_dead_letters (projection, generation, position, stream)"
            " VALUES ('timeline', 'timeline_1', 1, gen_random_uuid())"
        )
    await story.replayed(story.position)
    assert await count_keyframes(story.runtime) == 0


async def test_a_time_is_the_last_position_before_it(story: Story) -> None:
    await story.join(story.here[0])
    events = await story.runtime.store.read(0, 100)
    async with story.runtime.db.connection() as db:
        for one in events:
            newest = max(each.position for each in events if each.at <= one.at)
            assert (await resolve(db, one.at)).position == newest
            before = [each.position for each in events if each.at < one.at]
            just_before = await resolve(db, one.at - timedelta(microseconds=1))
            # A position that was given to nobody is the one before it.
            assert max(before, default=0) <= just_before.position < one.position
        head = events[-1].position
        assert (await resolve(db, None)).position == head
        with pytest.raises(Invalid, match=r"replay\.not_yet"):
            await resolve(db, head + 1)


async def test_before_it_was_created_there_is_no_project(story: Story) -> None:
    with pytest.raises(NotFound, match=r"replay\.not_created_yet"):
        await room_at(story.runtime, story.project, 0)
    with pytest.raises(NotFound):
        await room_at(story.runtime, uuid4(), None)


async def test_cursors_are_where_they_were(story: Story) -> None:
    here, gone = story.here

    async def seen(position: int) -> list[tuple[UUID, str, str]]:
        room = await room_at(story.runtime, story.project, position)
        assert room.cursors is not None
        return [(one.participation, one.type, bytes(one.data).decode()) for one in room.cursors]

    await story.join(here)
    await story.join(gone)
    for x in range(3):
        await story.move(here, cursor(story.room, msgspec.Raw(b'{"x":%d}' % x)))
    moved = story.position
    await story.move(gone, typing(story.room, "title", on=True))
    both = story.position
    assert len(await seen(both)) == 2  # though nothing durable follows yet
    await story.move(gone, typing(story.room, "title", on=False))
    assert len(await seen(story.position)) == 1
    await story.do(PARTICIPATION, gone, Leave(reason=LeaveReason.SAID))

    assert await seen(moved) == [(here, "cursor", '{"x":2}')]
    assert await seen(both) == [
        (gone, "typing", '{"where":"title"}'),
        (here, "cursor", '{"x":2}'),
    ]
    assert await seen(story.position) == [(here, "cursor", '{"x":2}')]


async def test_cursors_that_retention_dropped_are_said_to_be_gone(story: Story) -> None:
    await story.join(story.here[0])
    await story.move(story.here[0], cursor(story.room, msgspec.Raw(b"{}")))
    with psycopg.connect(story.runtime.settings.database_url, autocommit=True) as db:
        db.execute("DROP TABLE formula_motion_events_00000000")
    await story.join(story.here[1])
    room = await room_at(story.runtime, story.project, story.position)
    assert (room.cursors, room.cursors_from) == (None, WIDTH)
    assert str(WIDTH) in str(room.cursors_gone)
    assert {member.participation for member in room.members} == set(story.here)


async def test_a_difference_names_what_came_went_and_changed(story: Story) -> None:
    task, start = story.tasks[0], story.position
    await story.do(TASK, task, CreateTask(project=story.project, title="T", at=story.runtime.now()))
    await story.join(story.here[0])
    middle = story.position
    await story.do(TASK, task, ChangeTaskStatus(status=TaskStatus.DONE))
    await story.do(PARTICIPATION, story.here[0], Leave(reason=LeaveReason.SAID))

    async def told(was: int, now: int) -> dict[str, tuple[object, object]]:
        found = await difference(story.runtime, story.project, was, now)
        return {
            f"{one.table} {' '.join(one.key)}": (
                one.was and one.was.get("status", True),
                one.now and one.now.get("status", True),
            )
            for one in found.changes
        }

    assert await told(start, middle) == {
        f"tasks {task}": (None, "todo"),
        f"members {story.here[0]}": (None, "online"),
    }
    assert await told(middle, story.position) == {
        f"tasks {task}": ("todo", "done"),
        f"members {story.here[0]}": ("online", None),
    }
    assert await told(middle, middle) == {}


async def count_keyframes(runtime: Runtime) -> int:
    async with runtime.db.connection() as db:
        row = await (await db.execute("SELECT count(*) FROM formula_keyframes")).fetchone()
    return int(row[0]) if row else 0
