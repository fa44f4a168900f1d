"""Hold a read model against the log, as every night does with one of them."""

import msgspec

from domain.job_args import VerifyReadModel
from projections.checking import Check, check
from workers.model import MAINTENANCE, Context, Job, Note


class Verified(msgspec.Struct, frozen=True):
    """`keys`: of some rows that differ; what is in them is not for all who operate."""

    position: int
    rows: int
    different: int
    keys: list[str]


async def run(context: Context, args: VerifyReadModel) -> Verified:
    """What it builds is dropped again: a retry begins anew."""

    async def work(note: Note) -> Check:
        def step(name: str, done: int, total: int) -> None:
            note(done + total * (name == "compare"), 2 * total)

        return await check(context.runtime, args.projection, step)

    found = await context.followed(work)
    keys = [f"{one.table} {one.key}" for one in found.differences]
    return Verified(found.position, found.rows, found.different, keys)


JOB = Job("verify_read_model", MAINTENANCE, VerifyReadModel, run, timeout_s=4 * 3_600.0)
