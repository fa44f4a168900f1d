"""Why a row is as it is: each event with its change, what is left out, rows of many streams."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import msgspec
import pytest

from domain.errors import Invalid, NotFound
from domain.kernel import Recorded
from domain.task import TaskChanged, TaskEvent
from infra.runtime import Runtime
from projections import explaining
from projections.explaining import explain
from projections.model import Write
from projections.read import reading, wait_for
from projections.registry import PROJECTIONS
from tests.integration.test_generations import history
from tests.integration.test_projector import WAIT_S, act


async def test_a_row_is_explained_by_the_events_that_made_it(projected: Runtime) -> None:
    runtime = projected
    task, comment = await history(runtime)
    by_name = {one.name: one for one in PROJECTIONS}
    found = await explain(runtime, by_name["tasks"], [str(task)])
    assert [one.type for one in found.changes] == [
        "task.created.v1", "task.changed.v1", "task.comment_added.v2",
    ]  # fmt: skip
    assert found.row is not None
    created, changed, commented = found.changes
    assert created.before is None
    assert (changed.before or {})["title"] == "Pylons"
    assert (changed.after or {})["title"] == "Pylons, north"
    assert ((commented.before or {})["comments"], (commented.after or {})["comments"]) == (0, 1)
    said = await explain(runtime, by_name["tasks"], [str(task), str(comment)], "comments")
    assert [one.type for one in said.changes] == ["task.comment_added.v2"]
    audited = await explain(runtime, by_name["audit"], [str(said.changes[0].position)])
    assert [one.position for one in audited.changes] == [said.changes[0].position]
    with pytest.raises(NotFound):
        await explain(runtime, by_name["tasks"], [str(uuid4())])
    with pytest.raises(Invalid):
        await explain(runtime, by_name["tasks"], [str(task), "more"])
    async with reading(runtime) as db:
        assert await (await db.execute("SELECT title FROM tasks WHERE id = %s", (task,))).fetchone()


async def test_a_frame_of_a_room_is_explained_by_the_event_at_its_position(
    projected: Runtime,
) -> None:
    runtime = projected
    room, stream = f"project:{UUID(int=1)}", uuid4()
    places = [await act(runtime, stream, kind) for kind in ("1", "2")]
    await wait_for(runtime, "live", places[-1], WAIT_S)
    rooms = next(one for one in PROJECTIONS if one.name == "rooms")
    found = await explain(runtime, rooms, [room, str(places[1])])
    [made] = found.changes
    assert (made.position, made.type, made.stream) == (places[1], "activity.recorded.v1", stream)
    assert (found.row or {})["prev"] == places[0]
    with pytest.raises(NotFound):
        await explain(runtime, rooms, [room, "0"])


async def test_what_a_row_goes_without_is_told(projected: Runtime) -> None:
    runtime = projected
    task, _ = await history(runtime)
    made, changed, commented = [one.position for one in await runtime.store.read_stream(task)]
    tasks = next(one for one in PROJECTIONS if one.name == "tasks")
    async with runtime.db.connection() as db:
        await db.execute("INSERT INTO formula_skipped_events VALUES ('tasks', %s)", (changed,))
        await db.execute(
            "INSERT INTO formula_dead_letters (projection, generation, position, stream)"
            " SELECT 'tasks', schema, %s, %s FROM formula_generations"
            " WHERE projection = 'tasks' AND state = 'serving'",
            (commented, task),
        )
    found = await explain(runtime, tasks, [str(task)])
    assert [one.position for one in found.changes] == [made]
    assert [(one.position, one.why) for one in found.left_out] == [
        (changed, "skipped"),
        (commented, "held"),
    ]


async def test_an_event_that_cannot_be_projected_does_not_stop_it(projected: Runtime) -> None:
    runtime = projected
    task, _ = await history(runtime)
    made, changed, commented = [one.position for one in await runtime.store.read_stream(task)]
    tasks = next(one for one in PROJECTIONS if one.name == "tasks")

    def fails(batch: Sequence[Recorded[TaskEvent]]) -> list[Write]:
        if any(isinstance(one.event, TaskChanged) for one in batch):
            raise ZeroDivisionError
        return tasks.project(batch)

    found = await explain(runtime, msgspec.structs.replace(tasks, project=fails), [str(task)])
    assert [one.position for one in found.changes] == [made, commented]
    assert [(one.position, one.why) for one in found.left_out] == [(changed, "fails")]


async def test_of_a_long_history_the_newest_events_are_shown(
    projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "MAX_CHANGES", 1)
    task, _ = await history(projected)
    tasks = next(one for one in PROJECTIONS if one.name == "tasks")
    found = await explain(projected, tasks, [str(task)])
    [commented] = found.changes
    assert found.earlier == 2
    assert (commented.before, commented.after) == (
        {**(commented.before or {}), "comments": 0},
        {**(commented.after or {}), "comments": 1},
    )
