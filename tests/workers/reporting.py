"""Extracts of the audit by a process of its own, which says how much memory it had needed by then.

`python -m tests.workers.reporting OWNER ROWS…`. A line for each: bytes of the file, peak in KiB.
"""

import asyncio
import sys
from uuid import UUID

from domain.job_args import ReportAudit
from infra.mail import Mailer
from infra.runtime import open_runtime
from infra.settings import load_settings
from tests.integration.exporting import HEAD, peak
from workers import report_audit
from workers.model import Context


async def main(owner: UUID, *sizes: int) -> None:
    async with open_runtime(load_settings()) as runtime:
        mail = Mailer(runtime.settings, runtime.now)
        for rows in sizes:
            async with runtime.db.connection() as db:
                await db.execute(HEAD, (rows,))
            context = Context(runtime, mail, runtime.new_id(), 1, None, owner)
            made = await report_audit.run(context, ReportAudit())
            sys.stdout.write(f"{made.bytes} {peak()}\n")


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), *map(int, sys.argv[2:])))
