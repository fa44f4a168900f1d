"""An extract of the audit is never held as a whole: forty times the rows need no more memory."""

import asyncio
import sys

from domain.user import Role
from infra.runtime import Runtime
from infra.settings import child_environment
from projections.audit import PROJECTION
from projections.generations import BUILDING, SERVING, begin, mark
from tests.integration.test_export_memory import HEAP, LOAD
from tests.workers.office import Office

FEW, MANY = 5_000, 200_000  # rows
ROW = 300  # bytes, at least
MOST = 16 << 10  # KiB: 82 bytes for each row more


async def test_an_extract_needs_no_more_memory_for_200_000_rows(runtime: Runtime) -> None:
    """The short one is the first: what a process needs once in its life is in its peak."""
    auditor = await Office(runtime).person("Audrey", Role.AUDITOR)
    async with runtime.db.connection() as connection:
        schema = await begin(connection, PROJECTION)
        await connection.execute(LOAD.format(schema=schema).encode(), (MANY,))
        await mark(connection, schema, SERVING, BUILDING)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.workers.reporting", str(auditor), str(FEW), str(MANY)),
        env=child_environment(runtime.settings) | HEAP,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    (few, before), (many, after) = (map(int, line.split()) for line in out.splitlines())
    assert few > FEW * ROW
    assert many > MANY * ROW
    assert after - before < MOST, (before, after)
