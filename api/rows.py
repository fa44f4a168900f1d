"""Rows by their ids: those that are asked for at once are one query."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from litestar.types import Scope

from infra.db import Connection
from infra.gathered import Gathered
from infra.runtime import Runtime
from projections.read import reading
from projections.tasks import TaskRow, get_tasks


class Named(Protocol):
    @property
    def id(self) -> UUID: ...


R = TypeVar("R", bound=Named)


class ById(Generic[R]):
    """Of one read model of the group `queries`."""

    def __init__(
        self, runtime: Runtime, fetch: Callable[[Connection, Sequence[UUID]], Awaitable[list[R]]]
    ) -> None:
        self._runtime, self._fetch = runtime, fetch
        self._gathered = Gathered(self._read)

    async def get(self, id_: UUID, min_position: int | None) -> R | None:
        """None where there is none. Raises as `reading` does."""
        if min_position is None:
            return await self._gathered.ask(id_)
        return (await self._read([id_], min_position))[id_]

    async def _read(
        self, ids: Sequence[UUID], min_position: int | None = None
    ) -> Mapping[UUID, R | None]:
        async with reading(self._runtime, min_position=min_position, replica=True) as db:
            rows = await self._fetch(db, ids)
        return dict.fromkeys(ids) | {row.id: row for row in rows}


class Rows:
    """What the process reads by id."""

    def __init__(self, runtime: Runtime) -> None:
        self.tasks: ById[TaskRow] = ById(runtime, get_tasks)


def rows_of(scope: Scope) -> Rows:
    return scope["litestar_app"].state["rows"]
