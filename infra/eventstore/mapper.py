"""The log for stock `eventsourcing` code (9.5): an application named "formula" owns this table.

    class Formula(Application[UUID]):
        name = "formula"  # so its table, and the channel it listens on, is formula_events

    PERSISTENCE_MODULE=eventsourcing.postgres
    MAPPER_TOPIC=infra.eventstore.mapper:FormulaMapper
    FORMULA_CREATE_TABLE=no
    POSTGRES_DBNAME, POSTGRES_HOST, POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD

A topic is an event's tag, in `Projection.topics` too (domain.registry.tag_of gives it). The
library knows five columns: who and when are in the view formula_log, under the same position.

A writer's versions must follow one another. Two things to know:
- A stock append locks the table. While it waits behind a VACUUM, all other appends wait behind it:
  set POSTGRES_LOCK_TIMEOUT (seconds), and the library tries again after that.
- POSTGRES_ENABLE_DB_FUNCTIONS=y is unsafe: it takes no such lock, and readers miss events. The
  functions that it needs are not there unless FORMULA_CREATE_TABLE=yes has made them.
"""

from uuid import UUID

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    Cipher,
    Compressor,
    Mapper,
    Notification,
    StoredEvent,
    Transcoder,
)
from eventsourcing.utils import register_topic

from domain.kernel import Event
from domain.registry import EVENTS
from infra.eventstore.codec import decode, encode


class DomainEvent(msgspec.Struct, frozen=True):
    """What the library calls a domain event: one of ours and its place."""

    event: Event
    originator_id: UUID
    originator_version: int
    position: int | None = None  # None: read by stream, or not stored yet


class FormulaMapper(Mapper[UUID]):
    """Formula's codec in the library's place: tags, upcasts and inflating are the codec's."""

    def __init__(
        self,
        transcoder: Transcoder,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
    ) -> None:
        if compressor or cipher:
            raise ValueError(
                "formula_events holds what Formula reads: unset COMPRESSOR_TOPIC, CIPHER_TOPIC"
                " and CIPHER_KEY for this application"
            )
        super().__init__(transcoder)

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Raises UnknownTag, TooLarge, and TypeError for anything but a DomainEvent."""
        if not isinstance(domain_event, DomainEvent):
            raise TypeError(f"wrap it in a DomainEvent: {type(domain_event).__name__}")
        topic, state = encode(domain_event.event)
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, topic, state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEvent:
        """Raises UnknownTag: a projection that cannot know the event stops there."""
        stream = stored_event.originator_id
        return DomainEvent(
            decode(stored_event.topic, stored_event.state),
            stream if isinstance(stream, UUID) else UUID(stream),
            stored_event.originator_version,
            stored_event.id if isinstance(stored_event, Notification) else None,
        )


for _tag, _event in EVENTS.items():
    register_topic(_tag, _event)
