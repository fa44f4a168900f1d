"""The daily clean-up: what was kept for long enough goes, and nothing else."""

from uuid import UUID, uuid4

import pytest

from domain.job_args import CleanUp
from domain.project import PROJECT
from infra.db import Connection
from infra.eventstore.snapshots import fingerprint
from infra.nodes import nodes
from infra.runtime import Runtime
from projections.checking import check
from projections.read import reading, wait_for
from projections.room_log import RECENT
from tests.workers.office import Office, working
from workers import clean_up
from workers.clean_up import CleanedUp

ANN, LOST, ALIVE = (UUID(int=n) for n in (1, 22, 21))


async def left(db: Connection, query: str) -> list[object]:
    return [value for (value,) in await (await db.execute(query.encode())).fetchall()]


async def clean(runtime: Runtime) -> CleanedUp:
    async with working(runtime.settings):
        return await Office(runtime).done(CleanUp(), CleanedUp)


async def test_what_nobody_needs_goes(projected: Runtime) -> None:
    async with projected.db.connection() as db:
        await db.execute(
            "INSERT INTO formula_nodes (node, role, name, pid, state, seen_at) VALUES"
            " (%s, 'worker', 'here', 1, 'ready', clock_timestamp() - interval '2 hours'),"
            " (%s, 'worker', 'here', 2, 'ready', clock_timestamp() - interval '2 minutes')",
            (LOST, ALIVE),
        )
        await db.execute(
            "INSERT INTO formula_refresh_tokens (token_hash, family, user_id, expires_at) VALUES"
            " ('old', %(ann)s, %(ann)s, clock_timestamp() - interval '1 second'),"
            " ('new', %(ann)s, %(ann)s, clock_timestamp() + interval '1 hour')",
            {"ann": ANN},
        )
        await db.execute(
            "INSERT INTO formula_snapshots (stream, fingerprint, version, state)"
            " VALUES (%s, 'project:of old code', 200, ''), (%s, %s, 200, '')",
            (LOST, ALIVE, fingerprint(PROJECT)),
        )
        await db.execute(
            "INSERT INTO formula_keyframes (project, fingerprint, position, state)"
            " VALUES (%s, 'of another log', 1, '')",
            (ANN,),
        )
        shown = {one.node for one in await nodes(projected)}
        assert (LOST in shown, ALIVE in shown) == (False, True), "it is not there until it goes"
        found = await clean(projected)
        assert found == CleanedUp(
            jobs=0, tokens=1, nodes=1, frames=0, states=1, keyframes=1, reports=0
        )
        assert await left(db, "SELECT token_hash FROM formula_refresh_tokens") == [b"new"]
        assert await left(db, "SELECT stream FROM formula_snapshots") == [ALIVE]
        there = await left(db, "SELECT node FROM formula_nodes")
        assert (LOST in there, ALIVE in there) == (False, True)
        lines = await left(db, "SELECT line FROM formula_job_log ORDER BY id")
        assert lines[:2] == ["jobs: 0 removed", "tokens: 1 removed"]


async def test_jobs_go_page_by_page_the_dead_later(
    projected: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "JOBS", 2)
    settings = projected.settings
    ages = [settings.jobs_kept_s - 60] + [settings.jobs_kept_s + 60] * 5
    async with projected.db.connection() as db:
        for age, state in [*((age, "done") for age in ages), (ages[1], "dead")]:
            await db.execute(
                "INSERT INTO formula_jobs (id, queue, name, consumer, position, key, args, state,"
                " max_attempts, finished_at) VALUES (%s, 'email', 'old', '', 0, '', '{}', %s, 1,"
                " clock_timestamp() - make_interval(secs => %s))",
                (uuid4(), state, age),
            )
        assert (await clean(projected)).jobs == 5
        kept = await left(db, "SELECT state FROM formula_jobs WHERE name = 'old' ORDER BY 1")
        assert kept == ["dead", "done"]


async def story(runtime: Runtime, comments: int) -> tuple[str, int]:
    """A task's room with so many comments in it; and the log's head when they were there."""
    office = Office(runtime)
    ann = await office.person("Ann")
    task = await office.task(await office.project(ann), ann)
    for n in range(comments):
        await office.comment(task, ann, f"{n}")
    head = await runtime.store.head()
    await wait_for(runtime, "live", head)
    return f"task:{task}", head


async def age(runtime: Runtime) -> None:
    """All that is in the log happened before what rooms keep."""
    async with runtime.db.connection() as db:
        await db.execute(
            "UPDATE formula_events SET recorded_at = recorded_at - make_interval(secs => %s)",
            (runtime.settings.room_log_kept_s + 60,),
        )


async def frames(runtime: Runtime, room: str) -> list[tuple[int, int]]:
    """(prev, pos), oldest first."""
    async with reading(runtime, group="live") as db:
        cursor = await db.execute(
            "SELECT prev, pos FROM room_log WHERE room = %s ORDER BY pos", (room,)
        )
        return await cursor.fetchall()


async def test_old_frames_go_but_the_newest_of_a_room(projected: Runtime) -> None:
    room, _ = await story(projected, RECENT + 5)
    whole = await frames(projected, room)
    await age(projected)
    quiet, _ = await story(projected, 3)  # its frames are as new as can be
    assert (await clean(projected)).frames >= len(whole) - RECENT
    assert await frames(projected, room) == whole[-RECENT:]
    assert len(await frames(projected, quiet)) == 4
    assert (await clean(projected)).frames == 0


async def test_a_chain_goes_on_where_it_was(projected: Runtime) -> None:
    room, _ = await story(projected, RECENT + 5)
    last = (await frames(projected, room))[-1][1]
    await age(projected)
    await clean(projected)
    office, task = Office(projected), UUID(room.partition(":")[2])
    await office.comment(task, ANN, "later")
    await wait_for(projected, "live", await projected.store.head())
    assert (await frames(projected, room))[-1][0] == last


async def test_a_check_does_not_miss_what_was_pruned_and_sees_what_was_not(
    projected: Runtime,
) -> None:
    room, _ = await story(projected, RECENT + 5)
    await age(projected)
    await clean(projected)
    later, _ = await story(projected, 2)
    found = await check(projected, "rooms", lambda _step, _done, _of: None)
    assert found.different == 0, found.differences
    async with reading(projected, group="live") as db:
        await db.execute("DELETE FROM room_log WHERE room = ANY(%s)", ([room, later],))
    found = await check(projected, "rooms", lambda _step, _done, _of: None)
    assert found.different == 3, "those of the room that is as new as can be"
