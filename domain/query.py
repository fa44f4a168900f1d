"""Query: the questions in SQL that somebody keeps by name, with how their answers are drawn."""

from collections.abc import Mapping
from typing import Literal, TypeAlias, assert_never
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked, no_nul

MAX_NAME = 80  # characters
MAX_SQL = 20_000  # characters
MAX_COLUMN = 63  # bytes of a name in Postgres, so no more characters
MAX_DRAWN = 8  # columns at a time
MAX_QUERIES = 100  # of one person

SPACE = UUID("5b0d6d1c-6f9e-5c42-9b0e-0f6a1b7c83e4")


class Drawing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`x`: the column along; `y`: the figures. Of a heat map the first other column goes down."""

    kind: Literal["table", "line", "bars", "heat"] = "table"
    x: str = ""
    y: tuple[str, ...] = ()


class Query(msgspec.Struct, frozen=True):
    sql: str
    drawing: Drawing


class QuerySaved(Event, frozen=True, kw_only=True, tag="query.saved.v1"):
    name: str
    sql: str
    drawing: Drawing = Drawing()


class QueryRemoved(Event, frozen=True, kw_only=True, tag="query.removed.v1"):
    name: str


class SaveQuery(Command, frozen=True, kw_only=True, tag="save_query"):
    name: str
    sql: str
    drawing: Drawing = Drawing()


class RemoveQuery(Command, frozen=True, kw_only=True, tag="remove_query"):
    name: str


QueryEvent: TypeAlias = QuerySaved | QueryRemoved
QueryCommand: TypeAlias = SaveQuery | RemoveQuery


class Queries(msgspec.Struct, frozen=True):
    """Somebody's, by name."""

    kept: Mapping[str, Query] = {}


def queries_stream(person: UUID) -> UUID:
    return uuid5(SPACE, str(person))


def decide(command: QueryCommand, queries: Queries) -> list[QueryEvent]:
    match command:
        case SaveQuery(sql=sql, drawing=drawing):
            name = checked(command.name, "query.bad_name", MAX_NAME)
            query = Query(checked(sql, "query.bad_sql", MAX_SQL), _checked(drawing))
            if queries.kept.get(name) == query:
                return []
            if name not in queries.kept and len(queries.kept) >= MAX_QUERIES:
                raise WrongState("query.too_many", most=MAX_QUERIES)
            return [QuerySaved(name=name, sql=query.sql, drawing=query.drawing)]
        case RemoveQuery(name=name):
            if name not in queries.kept:
                raise NotFound("query.not_found", name=name)
            return [QueryRemoved(name=name)]
        case _:
            assert_never(command)


def _checked(drawing: Drawing) -> Drawing:
    if len(drawing.y) > MAX_DRAWN:
        raise Invalid("query.too_many_columns", most=MAX_DRAWN)
    if any(len(no_nul(column)) > MAX_COLUMN for column in (drawing.x, *drawing.y)):
        raise Invalid("query.bad_column", most=MAX_COLUMN)
    return drawing


def evolve(queries: Queries, event: QueryEvent) -> Queries:
    match event:
        case QuerySaved(name=name, sql=sql, drawing=drawing):
            return Queries({**queries.kept, name: Query(sql, drawing)})
        case QueryRemoved(name=name):
            return Queries({key: one for key, one in queries.kept.items() if key != name})
        case _:
            assert_never(event)


QUERY = Decider(
    name="query",
    initial=Queries(),
    decide=decide,
    evolve=evolve,
    events=(QuerySaved, QueryRemoved),
)
