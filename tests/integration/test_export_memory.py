"""An export is never held as a whole: ten times the rows need no more memory."""

import asyncio
import sys
from collections.abc import Iterator

import pytest

from infra.db import connect
from infra.settings import Settings, child_environment
from projections.audit import PROJECTION
from projections.audit_files import AuditFormat
from projections.generations import BUILDING, SERVING, begin, mark
from tests.conftest import TEMPLATE, fresh_database
from tests.databases import Databases

pytestmark = pytest.mark.xdist_group("exported")

FEW, MANY = 5_000, 100_000  # rows
MOST = 16 << 10  # KiB: 170 bytes for each row more, and none is that short in any form
# The one heap of the C library: others keep what they freed, each its own share.
HEAP = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}

# Texts that do not compress: what is kept of the file itself is to be seen as well.
LOAD = """
INSERT INTO {schema}.audit (position, at, actor, command, aggregate, subject, version, type, ip,
    user_agent, data)
SELECT n, timestamptz '2030-01-01' + n * interval '1 s', gen_random_uuid(), 'c', 'a',
    gen_random_uuid(), 1, 't', '', '',
    jsonb_build_object('text', encode(sha512(int8send(n)) || sha512(int8send(-n)), 'base64'))
FROM generate_series(1, %s::bigint) n
"""


@pytest.fixture(scope="module")
def loaded(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An audit of MANY rows serves, whatever form it is exported in."""
    with fresh_database(databases, TEMPLATE, tmp_path_factory.mktemp("exported")) as settings:
        asyncio.run(load(settings))
        yield settings


async def load(settings: Settings) -> None:
    async with await connect(settings.database_url) as connection:
        schema = await begin(connection, PROJECTION)
        await connection.execute(LOAD.format(schema=schema).encode(), (MANY,))
        await mark(connection, schema, SERVING, BUILDING)


@pytest.mark.parametrize("form", AuditFormat)
async def test_an_export_needs_no_more_for_ten_times_the_rows(
    form: AuditFormat, loaded: Settings
) -> None:
    """The short one is the first: what a process needs once in its life is in its peak."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.exporting", form, str(FEW), str(MANY)),
        env=child_environment(loaded) | HEAP,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    (few, before), (many, after) = (map(int, line.split()) for line in out.splitlines())
    assert (few, many) == (FEW, MANY)
    assert after - before < MOST, (before, after)
