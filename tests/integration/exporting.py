"""Exports of the audit by a process of its own, which says how much memory it had needed by then.

`python -m tests.integration.exporting FORMAT ROWS…`. A line for each: events, peak in KiB.
"""

import asyncio
import re
import sys
from pathlib import Path

from domain.audit import AuditFilter
from infra.runtime import Runtime, open_runtime
from infra.settings import load_settings
from projections import audit_files
from projections.audit_export import Export, Wish
from projections.audit_files import AuditFormat

audit_files.GROUP = 2_000  # what Parquet may hold: less than the rows of the shortest export
HEAD = """
INSERT INTO formula_checkpoints (name, position) VALUES ('audit', %s)
ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""


async def export(runtime: Runtime, form: AuditFormat, rows: int) -> int:
    """As far as the checkpoint; how many events it was."""
    async with runtime.db.connection() as db:
        await db.execute(HEAD, (rows,))
    made = Export(runtime, Wish(AuditFilter(), form, None, runtime.now()))
    async for _ in made:
        pass
    return made.count


def peak() -> int:
    """Of this program: what `getrusage` says begins with that of the process it came from."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


async def main(form: AuditFormat, *sizes: int) -> None:
    async with open_runtime(load_settings()) as runtime:
        for rows in sizes:
            count = await export(runtime, form, rows)
            sys.stdout.write(f"{count} {peak()}\n")


if __name__ == "__main__":
    asyncio.run(main(AuditFormat(sys.argv[1]), *map(int, sys.argv[2:])))
