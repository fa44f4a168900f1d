"""What the job consumer makes of the log, and how owners hear of it."""

from uuid import UUID

import psycopg
import pytest

from domain.job_args import Ping, QueueName
from domain.jobs import JOB, CancelJob, RequestBatch, RequestJob, Wanted
from infra.bus import user_room
from infra.db import FENCED
from infra.eventstore.reader import checkpoint
from infra.jobs.model import CONSUMER, JobState
from infra.jobs.queues import queues_of
from infra.jobs.reading import Filter, list_jobs
from infra.runtime import SYSTEM, Runtime
from projections.frames import JobProgress
from workers.consumer import advance, changes_of
from workers.owners import Owners, progress_of
from workers.reactions import Reactions
from workers.registry import JOBS

QUEUE = QueueName.EMAIL


async def test_owners_are_told_in_order_and_no_more_wait_than_may(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.owners.MOST", 3)
    told: list[tuple[str, list[float]]] = []

    async def tell(_runtime: Runtime, room: str, _kind: str, *frames: JobProgress) -> None:
        told.append((room, [frame.progress for frame in frames]))

    monkeypatch.setattr("workers.owners.tell", tell)
    one, other = UUID(int=1), UUID(int=2)
    async with Owners(runtime) as owners:
        for owner, progress in ((one, 0.1), (other, 0.2), (one, 0.3), (one, 0.4)):
            owners.tell(owner, progress_of(UUID(int=9), "ping", JobState.RUNNING, progress))
    assert told == [(user_room(one), [0.1, 0.3]), (user_room(other), [0.2])]


async def test_events_that_ask_for_thousands_are_taken_a_few_at_a_time(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.consumer.MOST", 5)
    reactions = Reactions(JOBS, queues_of(runtime.settings))
    wanted = Wanted(args=Ping(queue=QUEUE))
    for jobs in (3, 3, 3):
        command = RequestBatch(jobs=(wanted,) * jobs)
        await runtime.execute(SYSTEM, JOB, runtime.new_id(), command)
    batch = await runtime.store.read(0, 100)
    changes, to = changes_of(batch, reactions)
    assert (len(changes), to) == (6, batch[1].position)
    assert changes_of(batch[2:], reactions)[1] == batch[2].position
    assert changes_of([], reactions) == ([], None)


async def test_an_order_that_postgres_does_not_take_is_passed_over(runtime: Runtime) -> None:
    reactions = Reactions(JOBS, queues_of(runtime.settings))
    one, other = runtime.new_id(), runtime.new_id()
    request = RequestJob(wanted=Wanted(args=Ping(queue=QUEUE)))
    await runtime.execute(SYSTEM, JOB, one, request)
    await runtime.execute(SYSTEM, JOB, one, CancelJob(reason="no longer wanted"))
    await runtime.execute(SYSTEM, JOB, other, request)
    changes, to = changes_of(await runtime.store.read(0, 100), reactions)
    assert to is not None
    async with runtime.db.connection() as db:
        await db.execute("ALTER TABLE formula_jobs ADD CHECK (state <> 'cancelled')")
        await advance(db, 0, to, changes, reactions)
        rows = await list_jobs(db, Filter(), limit=9)
    assert {row.id: row.state for row in rows} == {one: "queued", other: "queued"}
    assert await checkpoint(runtime.db, CONSUMER) == to


async def test_a_leader_whose_checkpoint_was_moved_is_told_so(runtime: Runtime) -> None:
    reactions = Reactions((), queues_of(runtime.settings))
    async with runtime.db.connection() as db:
        with pytest.raises(psycopg.Error) as caught:
            await advance(db, 7, 8, (), reactions)
        assert caught.value.sqlstate == FENCED
        await db.execute("SELECT 1")  # and the session goes on
