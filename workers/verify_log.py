"""Read the whole log and hold it against its rules: nothing missing, twice there or unreadable."""

from domain.job_args import VerifyLog
from infra.eventstore.checker import Report
from infra.eventstore.verify import verify
from workers.model import MAINTENANCE, Context, Job, Note


async def run(context: Context, args: VerifyLog) -> Report:
    """It only reads: a retry begins anew."""

    async def work(note: Note) -> Report:
        def read(position: int, head: int) -> None:
            note(position - args.after, head - args.after)

        return await verify(context.runtime.settings.database_url, args.after, read)

    return await context.followed(work)


JOB = Job("verify_log", MAINTENANCE, VerifyLog, run, timeout_s=4 * 3_600.0)
