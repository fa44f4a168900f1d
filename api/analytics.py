"""/analytics: questions of one's own in SQL, and what can be asked."""

import tempfile
from collections.abc import AsyncGenerator
from typing import Annotated, BinaryIO, cast

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK

from api.auth import Caller
from domain.access import Action
from infra.analytics import MAX_SQL, Value, run, server
from infra.analytics_files import MEDIA_TYPES, Format, Written, write
from infra.db import Connection
from infra.runtime import Runtime
from projections.analytics_access import Catalog, catalog, viewer

MOST_ROWS = 100_000
IN_MEMORY = 2**20  # bytes of an answer; more goes through a file
CHUNK = 2**16  # bytes


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over the schema `analytics`; `:name` in it stands for a parameter."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SQL)]
    parameters: dict[str, Value] = {}
    format: Format = Format.JSON
    limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] = 1_000


@post("/query", status_code=HTTP_200_OK, opt={"action": Action.ANALYTICS_QUERY})
async def query(
    data: JSONBody[Query], caller: NamedDependency[Caller], runtime: NamedDependency[Runtime]
) -> Stream:
    """At most `limit` rows; `X-Truncated: true` when there are more. Ten seconds at the most."""
    file = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115, sent after this
    try:
        written = await _answer(file, data, caller, runtime)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return Stream(
        _sent(file),
        media_type=MEDIA_TYPES[data.format],
        headers={"X-Rows": str(written.rows), "X-Truncated": str(written.truncated).lower()},
    )


async def _answer(file: BinaryIO, data: Query, caller: Caller, runtime: Runtime) -> Written:
    """All of it, before the first byte is sent: what fails is refused like everything else."""
    url = await server(runtime)
    asked = viewer(caller.who)
    async with run(url, asked, data.sql, data.parameters, data.limit + 1) as rows:
        return await write(file, rows, data.format, data.limit)


async def _sent(file: BinaryIO) -> AsyncGenerator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk


@get("/views", opt={"action": Action.ANALYTICS_QUERY})
async def list_views(db: NamedDependency[Connection]) -> Catalog:
    """Every view and function, column by column."""
    return await catalog(db)


analytics = Router("/analytics", route_handlers=[query, list_views], tags=["analytics"])
