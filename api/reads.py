"""Queries: a connection that sees the read models, current enough for who asks."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol, TypeAlias, TypeVar

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.types import Scope

from api.answer import Answer
from api.call import etag
from domain.errors import NotFound
from infra.db import Connection
from infra.jobs.model import CONSUMER
from infra.runtime import Runtime
from projections.lists import Lists
from projections.read import reading, wait_for
from projections.rows import Source

MinPosition: TypeAlias = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        description="answer only once what was written there can be read",
        schema_extra={"minimum": 0},  # Litestar drops the bounds of what may be left out
    ),
]


class Versioned(Protocol):
    """A row that shows a stream at a version."""

    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)


async def provide_db(
    runtime: NamedDependency[Runtime], min_position: MinPosition = None
) -> AsyncGenerator[Connection, None]:
    async with reading(runtime, min_position=min_position, replica=True) as db:
        yield db


async def provide_lists(scope: Scope, min_position: MinPosition = None) -> Source:
    """What lists are fetched from: with others' that are asked for now, unless it must be new."""
    lists: Lists = scope["litestar_app"].state["lists"]
    return lists if min_position is None else lists.since(min_position)


async def provide_audit_db(
    runtime: NamedDependency[Runtime], min_position: MinPosition = None
) -> AsyncGenerator[Connection, None]:
    async with audit_db(runtime, min_position) as db:
        yield db


def audit_db(runtime: Runtime, min_position: int | None) -> AbstractAsyncContextManager[Connection]:
    return reading(runtime, min_position=min_position, group="audit", replica=True)


async def provide_live_db(
    runtime: NamedDependency[Runtime], min_position: MinPosition = None
) -> AsyncGenerator[Connection, None]:
    async with reading(runtime, min_position=min_position, group="live") as db:
        yield db


async def provide_jobs_db(
    runtime: NamedDependency[Runtime], min_position: MinPosition = None
) -> AsyncGenerator[Connection, None]:
    if min_position:
        await wait_for(runtime, CONSUMER, min_position)
    async with runtime.db.connection() as db:
        yield db


def shown(row: V | None, code: str) -> Response[V]:
    """The row with its version as ETag. Raises NotFound(code) when there is none."""
    if row is None:
        raise NotFound(code)
    return Answer(row, headers={"ETag": etag(row.version)})
