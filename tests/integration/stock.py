"""What stock `eventsourcing` code is here: an application, a projection, and their words."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from uuid import UUID, uuid4

import msgspec
import psycopg
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from domain.activity import ActivityRecorded
from domain.kernel import Event, Metadata, Recorded
from infra.eventstore.mapper import DomainEvent
from infra.settings import Settings
from tests.infra.until import until

ROOM = "project:00000000-0000-0000-0000-000000000001"
EVERYTHING = 100_000  # more than any log here holds

Environment = dict[str, str]
Acknowledged = list[tuple[int, str]]  # position and text of each event


class Log(Application[UUID]):
    name = "formula"


class Followed(Projection[PostgresTrackingRecorder]):
    """Remembers what it was given; its checkpoint is in the table stock_tracking."""

    name = "stock"

    def __init__(self, view: PostgresTrackingRecorder) -> None:
        super().__init__(view)
        self.seen: list[DomainEvent] = []

    @singledispatchmethod
    def process_event(self, domain_event: DomainEvent, tracking: Tracking) -> None:
        self.seen.append(domain_event)
        self.view.insert_tracking(tracking)


Runner = ProjectionRunner[Log, PostgresTrackingRecorder]


def environment_of(settings: Settings) -> Environment:
    """What the library needs to find the log, as the mapper's docstring says."""
    address = conninfo_to_dict(settings.database_url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": "infra.eventstore.mapper:FormulaMapper",
        "FORMULA_CREATE_TABLE": "no",
        **{
            f"POSTGRES_{name.upper()}": str(address[name])
            for name in ("dbname", "host", "port", "user", "password")
        },
    }


def runner_of(projection: type[Followed], environment: Environment) -> Runner:
    return ProjectionRunner(
        application_class=Log,
        projection_class=projection,
        view_class=PostgresTrackingRecorder,
        env=environment,
    )


def seen_by(runner: Runner) -> list[DomainEvent]:
    assert isinstance(runner.projection, Followed)
    return runner.projection.seen


def insert(log: Log, stream: UUID, version: int, events: Sequence[Event]) -> Sequence[int]:
    """A stock append to a stream at `version`; the positions."""
    positions = log.recorder.insert_events(
        [
            log.mapper.to_stored_event(DomainEvent(event, stream, version + n))
            for n, event in enumerate(events, start=1)
        ]
    )
    assert positions is not None
    return positions


def mapped(log: Log, stored: StoredEvent) -> DomainEvent:
    event = log.mapper.to_domain_event(stored)
    assert isinstance(event, DomainEvent)
    return event


def read_all(log: Log) -> list[DomainEvent]:
    found = log.recorder.select_notifications(start=None, limit=EVERYTHING)
    return [mapped(log, one) for one in found]


def as_stock(one: Recorded[Event]) -> DomainEvent:
    return DomainEvent(one.event, one.stream, one.version, one.position)


def meta() -> Metadata:
    return Metadata(command_id=uuid4())


def note(text: str) -> Event:
    data = msgspec.Raw(msgspec.json.encode({"text": text}))
    return ActivityRecorded(room=ROOM, kind="note", data=data)


def text_of(event: Event) -> str:
    assert isinstance(event, ActivityRecorded)
    return msgspec.json.decode(event.data)["text"]


END = note("end")


async def until_listening(settings: Settings) -> None:
    """Until the library's subscription hears notifications: it starts reading before that."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        await until(partial(_listening, connection))


def _listening(connection: psycopg.Connection) -> bool:
    found = connection.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
        """ AND state = 'idle' AND query = 'LISTEN "formula_events"'"""
    )
    return found.fetchone() is not None


def stock_writes(log: Log, name: str, appends: int, streams: Sequence[UUID]) -> Acknowledged:
    """As an application of the library does it: read the version, insert, again on a conflict."""
    acknowledged: Acknowledged = []
    for n in range(appends):
        texts = [f"{name} {n}.{k}" for k in range(1 + n % 3)]
        positions: Sequence[int] = ()
        while not positions:
            with suppress(IntegrityError):
                stream = streams[n % len(streams)]
                newest = log.recorder.select_events(stream, desc=True, limit=1)
                version = newest[0].originator_version if newest else 0
                positions = insert(log, stream, version, [note(text) for text in texts])
        acknowledged += zip(positions, texts, strict=True)
    return acknowledged


def followed(log: Log, subscription: Iterator[Notification]) -> list[DomainEvent]:
    """What the library's subscription gives, up to END."""
    seen: list[DomainEvent] = []
    for notification in subscription:
        seen.append(mapped(log, notification))
        if seen[-1].event == END:
            break
    return seen
