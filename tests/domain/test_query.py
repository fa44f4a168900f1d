from uuid import UUID

import pytest

from domain.errors import WrongState
from domain.query import (
    MAX_COLUMN,
    MAX_DRAWN,
    MAX_QUERIES,
    MAX_SQL,
    QUERY,
    Drawing,
    Queries,
    Query,
    QueryRemoved,
    QuerySaved,
    RemoveQuery,
    SaveQuery,
    decide,
    queries_stream,
)
from tests.dsl import check, refused

SQL = "SELECT day, open FROM burndown"
LINE = Drawing(kind="line", x="day", y=("open",))
SAVED = QuerySaved(name="Open", sql=SQL, drawing=LINE)


def save(name: str = " Open ", sql: str = SQL, drawing: Drawing = LINE) -> SaveQuery:
    return SaveQuery(name=name, sql=sql, drawing=drawing)


def test_a_query_is_kept_by_its_name() -> None:
    check(QUERY, given=[], when=save(), then=[SAVED])
    check(QUERY, given=[SAVED], when=save(), then=[])
    changed = QuerySaved(name="Open", sql="TABLE tasks")
    check(QUERY, given=[SAVED], when=save(sql="TABLE tasks", drawing=Drawing()), then=[changed])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (save(name=" "), "query.bad_name"),
        (save(sql=""), "query.bad_sql"),
        (save(sql="x" * (MAX_SQL + 1)), "query.bad_sql"),
        (save(drawing=Drawing(y=("a",) * (MAX_DRAWN + 1))), "query.too_many_columns"),
        (save(drawing=Drawing(x="x" * (MAX_COLUMN + 1))), "query.bad_column"),
        (save(drawing=Drawing(y=("a", "\x00"))), "text.has_nul"),
    ],
)
def test_a_query_is_bounded(command: SaveQuery, code: str) -> None:
    check(QUERY, given=[], when=command, then=refused(code))


def test_a_person_keeps_so_many_queries() -> None:
    full = Queries({str(number): Query(SQL, LINE) for number in range(MAX_QUERIES)})
    with pytest.raises(WrongState):
        decide(save(), full)
    assert decide(save(name="0", sql="TABLE tasks"), full) != []


def test_a_query_is_removed_once() -> None:
    remove, gone = RemoveQuery(name="Open"), QueryRemoved(name="Open")
    check(QUERY, given=[SAVED], when=remove, then=[gone])
    check(QUERY, given=[SAVED, gone], when=remove, then=refused("query.not_found"))


def test_each_person_has_a_stream_of_their_own() -> None:
    assert queries_stream(UUID(int=1)) != queries_stream(UUID(int=2))
