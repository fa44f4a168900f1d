"""Refresh what Postgres plans queries by, and say which tables want a VACUUM."""

import msgspec

from domain.job_args import RefreshStatistics
from projections.index_use import refresh_statistics, untidy
from workers.model import MAINTENANCE, Context, Job


class Refreshed(msgspec.Struct, frozen=True):
    """`vacuum`: tables of which much is dead rows, which autovacuum has not come to."""

    tables: int
    vacuum: list[str]


async def run(context: Context, _args: RefreshStatistics) -> Refreshed:
    tables = await refresh_statistics(context.runtime.settings.database_url)
    async with context.runtime.db.connection() as db:
        hints = await untidy(db)
    for one in hints:
        await context.log(f'VACUUM "{one.schema}"."{one.table}": {one.dead} of {one.rows} are dead')
    return Refreshed(tables, [f"{one.schema}.{one.table}" for one in hints])


JOB = Job("refresh_statistics", MAINTENANCE, RefreshStatistics, run, timeout_s=1_800.0)
