"""What events changed: each field of the aggregate before and after.

Folded from the log for the page that is shown. The projection would have to keep every
aggregate's state beside its rows, and to read it for each batch; few rows are ever looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from domain.kernel import Decider
from domain.registry import DECIDERS
from infra.db import Connection
from infra.eventstore.codec import decode
from projections.audit import AuditRow

MAX_FOLDED = 2_000  # versions of one stream
MAX_ROWS = 20_000  # events of a page

BY_NAME: Mapping[str, Decider[Any, Any, Any]] = {decider.name: decider for decider in DECIDERS}

STREAMS = """
SELECT e.originator_id, e.originator_version, e.topic, e.state
FROM unnest(%(streams)s::uuid[], %(versions)s::bigint[]) wanted (stream, version)
JOIN formula_events e ON e.originator_id = wanted.stream AND e.originator_version <= wanted.version
ORDER BY e.originator_id, e.originator_version LIMIT %(limit)s
"""

Fields = dict[str, object]


class Change(msgspec.Struct, frozen=True):
    """A field's values; null: it had none, or has none any more."""

    before: object = None
    after: object = None


Changes = dict[str, Change]


async def changes_of(db: Connection, rows: Sequence[AuditRow]) -> dict[int, Changes]:
    """By position; without those that are too far from their stream's beginning to be folded."""
    wanted = {(row.subject, row.version): row for row in rows if row.version <= MAX_FOLDED}
    last = {row.subject: 0 for row in wanted.values()}
    for stream, version in wanted:
        last[stream] = max(last[stream], version)
    values = {"streams": list(last), "versions": list(last.values()), "limit": MAX_ROWS}
    cursor = await db.execute(STREAMS, values)
    found: dict[int, Changes] = {}
    state: Any = None
    async for stream, version, tag, stored in cursor:
        event = decode(tag, stored)
        row = wanted.get((stream, version))
        decider = BY_NAME[_aggregate(tag)]
        before = decider.initial if version == 1 else state
        state = decider.evolve(before, event)
        if row is not None:
            found[row.position] = difference(before, state)
    return found


def difference(before: object, after: object) -> Changes:
    """Of two states, the fields that differ; what is inside a field is named with dots."""
    old, new = dict(_leaves(before)), dict(_leaves(after))
    return {
        name: Change(old.get(name), new.get(name))
        for name in [*new, *(name for name in old if name not in new)]
        if old.get(name) != new.get(name)
    }


def _leaves(state: object) -> Iterator[tuple[str, object]]:
    fields = cast(Fields, msgspec.to_builtins(state, str_keys=True, order="deterministic"))
    for name, value in fields.items():
        if isinstance(value, dict):
            inside = cast(Fields, value)
            yield from ((f"{name}.{key}", one) for key, one in inside.items() if key != "tag")
        else:
            yield name, value


def _aggregate(tag: str) -> str:
    return tag.partition(".")[0]
