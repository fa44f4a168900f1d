"""Look through the indexes, and build anew those that are mostly empty."""

import msgspec

from domain.job_args import Optimise
from infra.db import connect
from projections.index_care import Bloated, bloated, duplicates, rebuild
from projections.index_use import index_use, refresh_statistics
from workers.model import MAINTENANCE, Context, Job

SESSION = "-c lock_timeout=10s"  # nobody who reads or writes waits behind it
MOST_NAMED = 200  # of each kind: a result is no place for thousands


class Optimised(msgspec.Struct, frozen=True):
    """`held`: bloated as well, but a lock was not to be had. Bytes are those that were freed."""

    unused: list[str]
    duplicates: list[list[str]]
    missing: list[str]
    bloated: list[Bloated]
    rebuilt: list[str]
    held: list[str]
    freed_bytes: int


async def run(context: Context, _args: Optimise) -> Optimised:
    """A retry finds what is still bloated."""
    url = context.runtime.settings.database_url
    await refresh_statistics(url)
    async with await connect(url, options=SESSION) as db:
        use = await index_use(db)
        found = await bloated(db)
        rebuilt, held, freed = list[str](), list[str](), 0
        async for one, size in rebuild(db, found):
            if size is None:
                held.append(one.index)
                await context.log(f"{one.schema}.{one.index}: somebody holds it, or it is gone")
                continue
            rebuilt.append(one.index)
            freed += one.bytes - size
            await context.log(f"{one.schema}.{one.index}: {one.bytes} bytes, now {size}")
            await context.report(len(rebuilt) + len(held), len(found))
    return Optimised(
        use.unused[:MOST_NAMED],
        duplicates(use.indexes)[:MOST_NAMED],
        use.missing,
        found[:MOST_NAMED],
        rebuilt[:MOST_NAMED],
        held[:MOST_NAMED],
        freed,
    )


JOB = Job("optimise", MAINTENANCE, Optimise, run, timeout_s=4 * 3_600.0)
