"""The audit by filters, a page at a time, each bounded whatever it looks for.

One filter leads, by its index and in the order of positions; the others are looked for among
so many rows of the lead. Times and commands are ranges of positions.
"""

from collections.abc import Mapping
from functools import cache
from typing import LiteralString

import msgspec

from domain.audit import AuditFilter
from infra.db import Connection
from projections.audit import AuditRow
from projections.rows import NEWEST_POSITION, fetch_all, fetch_one

LOOKED = 2_000  # rows of the lead that one page looks at
PAGE = 1_000  # rows of one step of an export

# The best first: the fewer rows have the same value, the better it leads.
LEADS: Mapping[str, LiteralString] = {
    "search": " AND to_tsvector('simple', words) @@ websearch_to_tsquery('simple', %(search)s)",
    "subject": " AND subject = %(subject)s",
    "actor": " AND actor = %(actor)s",
    "project": " AND project = %(project)s",
    "type": " AND type = %(type)s",
    "aggregate": " AND aggregate = %(aggregate)s",
}

COLUMNS: LiteralString = (
    "position, at, actor, on_behalf_of, command, command_id, correlation_id, causation,"
    " aggregate, subject, version, type, project, ip, user_agent, api_key, data"
)

# `at` never decreases along the log; a command's positions follow one another.
BOUNDS = """
SELECT greatest(%(above)s,
    CASE WHEN %(since)s::timestamptz IS NOT NULL THEN coalesce((SELECT position - 1 FROM audit
        WHERE at >= %(since)s ORDER BY at, position LIMIT 1), %(newest)s) END,
    CASE WHEN %(command_id)s::uuid IS NOT NULL THEN coalesce(c.first - 1, %(newest)s) END) AS above,
    least(%(below)s, (SELECT position FROM audit
        WHERE at >= %(until)s::timestamptz ORDER BY at, position LIMIT 1), c.last + 1) AS below
FROM (VALUES (0)) one LEFT JOIN (
    SELECT notification_id AS first, notification_id + command_size - 1 AS last
    FROM formula_events WHERE command_id = %(command_id)s) c ON true
"""


class Found(msgspec.Struct, frozen=True):
    """A page, perhaps short or empty; `next` is where to go on, None where nothing is left."""

    rows: list[AuditRow]
    next: int | None


class _Bounds(msgspec.Struct, frozen=True):
    """Positions, both not in the range."""

    above: int
    below: int


class _Looked(msgspec.Struct, frozen=True):
    rows: int
    first: int | None
    last: int | None


async def list_audit(
    db: Connection, wanted: AuditFilter, after: int | None = None, limit: int = 50
) -> Found:
    """The matching events below position `after`, newest first."""
    below = NEWEST_POSITION if after is None else after
    return await _find(db, wanted, _Bounds(0, below), limit, newest_first=True)


async def next_page(db: Connection, wanted: AuditFilter, after: int, head: int) -> Found:
    """The matching events above `after` and up to `head`, oldest first: a step of an export."""
    return await _find(db, wanted, _Bounds(after, head + 1), PAGE, newest_first=False)


async def _find(
    db: Connection, wanted: AuditFilter, bounds: _Bounds, limit: int, *, newest_first: bool
) -> Found:
    values: dict[str, object] = {
        **msgspec.structs.asdict(wanted),
        **msgspec.structs.asdict(await _within(db, wanted, bounds)),
        "limit": limit + 1,
        "looked": LOOKED,
    }
    given = tuple(name for name in LEADS if values[name] is not None)
    rows = await fetch_all(db, AuditRow, statement(given, newest_first=newest_first), values)
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1].position)
    if not _is_bounded(given):
        return Found(rows, None)
    looked = await fetch_one(db, _Looked, _horizon(given[0], newest_first=newest_first), values)
    if looked is None or looked.rows < LOOKED:
        return Found(rows, None)
    return Found(rows, looked.first if newest_first else looked.last)


async def _within(db: Connection, wanted: AuditFilter, bounds: _Bounds) -> _Bounds:
    if wanted.since is wanted.until is wanted.command_id is None:
        return bounds
    values: dict[str, object] = {
        **msgspec.structs.asdict(wanted),
        **msgspec.structs.asdict(bounds),
        "newest": NEWEST_POSITION,
    }
    return await fetch_one(db, _Bounds, BOUNDS, values) or bounds


def _is_bounded(given: tuple[str, ...]) -> bool:
    """A search leads by no order of positions: there the planner weighs what all filters give."""
    return len(given) > 1 and given[0] != "search"


@cache
def statement(given: tuple[str, ...], *, newest_first: bool) -> LiteralString:
    """The page for these filters, of LEADS and in its order."""
    order = _order(newest_first=newest_first)
    if not _is_bounded(given):
        return f"SELECT {COLUMNS} FROM audit{_where(given)}{order} LIMIT %(limit)s"  # noqa: S608
    lead, rest = given[:1], given[1:]
    looked: LiteralString = f"SELECT * FROM audit{_where(lead)}{order} LIMIT %(looked)s"  # noqa: S608
    return (
        f"SELECT {COLUMNS} FROM ({looked}) looked"  # noqa: S608, literals
        f" WHERE true{_all(rest)}{order} LIMIT %(limit)s"
    )


@cache
def _horizon(lead: str, *, newest_first: bool) -> LiteralString:
    """How far a page with too few rows has looked."""
    order = _order(newest_first=newest_first)
    return (
        "SELECT count(*) AS rows, min(position) AS first, max(position) AS last FROM ("  # noqa: S608
        f"SELECT position FROM audit{_where((lead,))}{order} LIMIT %(looked)s) looked"
    )


def _where(given: tuple[str, ...]) -> LiteralString:
    return f" WHERE position > %(above)s AND position < %(below)s{_all(given)}"


def _all(given: tuple[str, ...]) -> LiteralString:
    text: LiteralString = ""
    for name in given:
        text += LEADS[name]
    return text


def _order(*, newest_first: bool) -> LiteralString:
    return " ORDER BY position DESC" if newest_first else " ORDER BY position"
