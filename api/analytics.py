"""/analytics: questions of one's own in SQL, those that one keeps, and what can be asked."""

import tempfile
from collections.abc import AsyncGenerator
from typing import Annotated, BinaryIO, cast

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK

from api.auth import Caller
from api.call import Call, Done, done
from domain.access import Action
from domain.query import MAX_SQL, QUERY, Drawing, RemoveQuery, SaveQuery, queries_stream
from infra.analytics import Value, run, server
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


class NewQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask, and how its answer is drawn."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SQL)]
    drawing: Drawing = Drawing()


class SavedQuery(msgspec.Struct, frozen=True):
    name: str
    sql: str
    drawing: Drawing


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
    """Every view and function, column by column, and questions to begin with."""
    return await catalog(db)


@get("/queries", opt={"action": Action.ANALYTICS_QUERY})
async def list_queries(call: NamedDependency[Call]) -> list[SavedQuery]:
    """One's own, by name."""
    kept = (await call.runtime.load(QUERY, queries_stream(call.caller.id))).state.kept
    return [SavedQuery(name, kept[name].sql, kept[name].drawing) for name in sorted(kept)]


@put("/queries/{name:str}", opt={"action": Action.ANALYTICS_SAVE})
async def save_query(
    name: FromPath[str], data: JSONBody[NewQuery], call: NamedDependency[Call]
) -> Response[Done]:
    """In place of one's own of that name. It is asked with the rights of who asks it."""
    stream = queries_stream(call.caller.id)
    command = SaveQuery(name=name, sql=data.sql, drawing=data.drawing)
    return done(await call.execute(QUERY, stream, command), stream)


@delete("/queries/{name:str}", status_code=HTTP_200_OK, opt={"action": Action.ANALYTICS_SAVE})
async def remove_query(name: FromPath[str], call: NamedDependency[Call]) -> Response[Done]:
    stream = queries_stream(call.caller.id)
    return done(await call.execute(QUERY, stream, RemoveQuery(name=name)), stream)


analytics = Router(
    "/analytics",
    route_handlers=[query, list_views, list_queries, save_query, remove_query],
    tags=["analytics"],
)
