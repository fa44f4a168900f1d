"""The `eventsourcing` library's own ProjectionRunner over Formula's log: a transaction an event."""

import time
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict

from bench.child import Sample, answer, given
from infra.eventstore.mapper import DomainEvent


class Runs(msgspec.Struct, frozen=True):
    url: str
    seconds: float


class Log(Application[UUID]):
    name = "formula"


class Counted(Projection[PostgresTrackingRecorder]):
    """The least a projection can do: it moves its checkpoint."""

    name = "counted"
    done = 0

    @singledispatchmethod
    def process_event(self, _domain_event: DomainEvent, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)
        Counted.done += 1


def run(load: Runs) -> Sample:
    """`per_s`: events a second; each round goes on where the one before ended."""
    address = conninfo_to_dict(load.url)
    names = ("dbname", "host", "port", "user", "password")
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "MAPPER_TOPIC": "infra.eventstore.mapper:FormulaMapper",
        "FORMULA_CREATE_TABLE": "no",
        **{f"POSTGRES_{name.upper()}": str(address[name]) for name in names},
    }
    with ProjectionRunner(
        application_class=Log,
        projection_class=Counted,
        view_class=PostgresTrackingRecorder,
        env=env,
    ):
        before, start = Counted.done, time.perf_counter()
        time.sleep(load.seconds)
        per_s = (Counted.done - before) / (time.perf_counter() - start)
    return Sample({"per_s": per_s})


if __name__ == "__main__":
    answer(run(given(Runs)))
