"""Read the whole log and hold it against its rules: nothing missing, twice there or unreadable."""

import asyncio

from domain.jobs import VerifyLog
from infra.eventstore.checker import Report
from infra.eventstore.verify import verify
from workers.model import MAINTENANCE, Context, Job
from workers.progress import EVERY_S


async def run(context: Context, args: VerifyLog) -> Report:
    """It only reads: a retry begins anew."""
    read = (0, 0)

    def note(position: int, head: int) -> None:
        nonlocal read
        read = (position - args.after, head - args.after)

    url = context.runtime.settings.database_url
    verifying = asyncio.create_task(verify(url, args.after, note))
    try:
        while not verifying.done():
            await asyncio.wait({verifying}, timeout=EVERY_S)
            await context.report(*read)
        return verifying.result()
    finally:
        verifying.cancel()
        await asyncio.gather(verifying, return_exceptions=True)


JOB = Job("verify_log", MAINTENANCE, VerifyLog, run, timeout_s=4 * 3_600.0)
