"""audit: every durable event with who did it, by which command, from where and on whose behalf."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import get_args, get_type_hints
from uuid import UUID

import msgspec

from domain.kernel import Event, Recorded
from domain.registry import EVENTS, tag_of
from projections.model import Insert, Projection, Row, Table, Write
from projections.rows import event_text

MAX_WORDS = 2_000  # characters of an event that are searched
NO_WORDS = frozenset({"room", "resource", "tag"})  # names that programs make up

# An index for each lead that audit_list may take, in its order; commands are found by the log's.
AUDIT = Table(
    name="audit",
    columns={
        "position": "bigint NOT NULL",
        "at": "timestamptz NOT NULL",
        "actor": "uuid",
        "on_behalf_of": "uuid",
        "command": "text NOT NULL",
        "command_id": "uuid",
        "correlation_id": "uuid",
        "causation": "text",
        "aggregate": "text NOT NULL",
        "subject": "uuid NOT NULL",
        "version": "bigint NOT NULL",
        "type": "text NOT NULL",
        "project": "uuid",
        "ip": "text NOT NULL",
        "user_agent": "text NOT NULL",
        "api_key": "uuid",
        "data": "jsonb NOT NULL",
        "words": "text",
    },
    key=("position",),
    indexes=(
        "(at, position)",
        "(actor, position)",
        "(on_behalf_of, position) WHERE on_behalf_of IS NOT NULL",
        "(api_key, position) WHERE api_key IS NOT NULL",
        "(aggregate, position)",
        "(subject, position)",
        "(type, position)",
        "(project, position)",
        "(causation, position) WHERE causation IS NOT NULL",
        "USING gin (to_tsvector('simple', words))",  # whole: of a part no statistics are used
    ),
)


class AuditRow(msgspec.Struct, frozen=True):
    """An event as auditors see it.

    `actor` is None for the system itself; `causation` is a position or a command's id.
    """

    position: int
    at: datetime
    actor: UUID | None
    on_behalf_of: UUID | None
    command: str
    command_id: UUID | None
    correlation_id: UUID | None
    causation: str | None
    aggregate: str
    subject: UUID
    version: int
    type: str
    project: UUID | None
    ip: str
    user_agent: str
    api_key: UUID | None  # by which the actor came in
    data: dict[str, object]  # the event's own fields


def project(batch: Sequence[Recorded[Event]]) -> list[Write]:
    """Rests on the checkpoint."""
    return [Insert(AUDIT, [_row(recorded) for recorded in batch])]


def _row(recorded: Recorded[Event]) -> Row:
    meta, tag = recorded.meta, tag_of(type(recorded.event))
    return {
        "position": recorded.position,
        "at": recorded.at,
        "actor": meta.actor,
        "on_behalf_of": meta.on_behalf_of,
        "command": meta.command,
        "command_id": meta.command_id,
        "correlation_id": meta.correlation_id,
        "causation": None if meta.causation is None else str(meta.causation),
        "aggregate": tag.partition(".")[0],
        "subject": recorded.stream,
        "version": recorded.version,
        "type": tag,
        "project": meta.project_id,
        "ip": meta.ip,
        "user_agent": meta.user_agent,
        "api_key": meta.api_key,
        "data": event_text(recorded.event),
        "words": words(recorded.event),
    }


def words(event: Event) -> str | None:
    """What people wrote in an event: its texts, but no ids, names of rooms, or choices."""
    texts = [getattr(event, name) for name in _texts(type(event))]
    return " ".join(text for text in texts if isinstance(text, str) and text)[:MAX_WORDS] or None


@cache
def _texts(event: type[Event]) -> tuple[str, ...]:
    """The fields that hold text: a StrEnum is none."""
    hints = get_type_hints(event)
    return tuple(
        name
        for name in event.__struct_fields__
        if name not in NO_WORDS and (hints[name] is str or str in get_args(hints[name]))
    )


PROJECTION = Projection(
    name="audit",
    group="audit",
    version=4,
    tables=(AUDIT,),
    events=tuple(EVENTS.values()),
    project=project,
)
