"""Remove what was kept for long enough: jobs, tokens, frames, reports, caches of other code."""

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta

import msgspec

from domain.job_args import CleanUp, QueueName
from domain.registry import DECIDERS
from infra.accounts import forget_expired
from infra.eventstore import snapshots
from infra.jobs.managing import prune as prune_jobs
from infra.nodes import forget_nodes
from infra.runtime import Runtime
from projections.read import reading
from projections.replay import keyframes, moments
from projections.room_log import prune as prune_frames
from workers.model import MAINTENANCE, Context, Job
from workers.reports.making import prune as prune_reports

JOBS = 5_000  # of a page


class CleanedUp(msgspec.Struct, frozen=True):
    """How many of each were removed."""

    jobs: int
    tokens: int
    nodes: int
    frames: int
    states: int
    keyframes: int
    reports: int


async def _jobs(runtime: Runtime) -> AsyncGenerator[int]:
    settings, queues, gone = runtime.settings, [name.value for name in QueueName], JOBS
    while gone == JOBS:
        async with runtime.db.connection() as db:
            gone = await prune_jobs(
                db,
                queues,
                done_s=settings.jobs_kept_s,
                dead_s=settings.dead_jobs_kept_s,
                limit=JOBS,
            )
        yield gone


async def _frames(runtime: Runtime) -> AsyncGenerator[int]:
    before = runtime.now() - timedelta(seconds=runtime.settings.room_log_kept_s)
    async with reading(runtime, group="live") as db:
        upto = await moments.resolve(db, before)
        async for gone in prune_frames(db, upto.position):
            yield gone


async def _tokens(runtime: Runtime) -> AsyncGenerator[int]:
    async with runtime.db.connection() as db:
        yield await forget_expired(db)


async def _nodes(runtime: Runtime) -> AsyncGenerator[int]:
    async with runtime.db.connection() as db:
        yield await forget_nodes(db)


async def _states(runtime: Runtime) -> AsyncGenerator[int]:
    async with runtime.db.connection() as db:
        yield await snapshots.forget(db, DECIDERS)


async def _keyframes(runtime: Runtime) -> AsyncGenerator[int]:
    async with runtime.db.connection() as db:
        yield await keyframes.forget(db)


async def _reports(runtime: Runtime) -> AsyncGenerator[int]:
    yield await prune_reports(runtime)


STEPS: Mapping[str, Callable[[Runtime], AsyncGenerator[int]]] = {
    "jobs": _jobs,
    "tokens": _tokens,
    "nodes": _nodes,
    "frames": _frames,
    "states": _states,
    "keyframes": _keyframes,
    "reports": _reports,
}


async def run(context: Context, _args: CleanUp) -> CleanedUp:
    """Page by page, each a transaction of its own: a retry goes on with what is left."""
    removed = dict.fromkeys(STEPS, 0)
    for done, (name, step) in enumerate(STEPS.items()):
        await context.report(done, len(STEPS))
        async for gone in step(context.runtime):
            removed[name] += gone
        await context.log(f"{name}: {removed[name]} removed")
    return CleanedUp(**removed)


JOB = Job("clean_up", MAINTENANCE, CleanUp, run, timeout_s=3_600.0)
