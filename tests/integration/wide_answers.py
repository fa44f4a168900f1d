"""A process that asks for too much at once: `python -m … SQL…` prints for each how it went, and the
KiB by which its peak of memory rose.
"""

import asyncio
import os
import sys
import tempfile
from typing import BinaryIO, cast

from domain.errors import Invalid
from infra.analytics import Viewer, run
from infra.analytics_files import Format, write
from tests.integration.exporting import peak

ALL = Viewer("all", accounts=True)
TIME_S = 60.0  # it is about memory


async def asked(sql: str) -> str:
    """As /analytics/query does."""
    with tempfile.SpooledTemporaryFile(2**20) as file:
        try:
            url = os.environ["DATABASE_URL"]
            async with run(url, ALL, sql, {}, 1_001, time_s=TIME_S) as rows:
                written = await write(cast(BinaryIO, file), rows, Format.JSON, 1_000)
        except Invalid as error:
            return error.code
        return f"{written.rows} rows"


async def main() -> None:
    await asked("SELECT 1")
    for sql in sys.argv[1:]:
        before = peak()
        how = await asked(sql)
        sys.stdout.write(f"{how}: {peak() - before}\n")


if __name__ == "__main__":
    asyncio.run(main())
