"""The `eventsourcing` library's own Postgres recorder: appends in threads, reads in pages."""

import time
from threading import Lock, Thread

import msgspec
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from bench.child import Sample, answer, given
from bench.load.loops import Tally, Window
from bench.load.streams import Streams, changed, stream_ids
from infra.eventstore.codec import encode

TABLE = "stored_events"


class ThreadAppends(msgspec.Struct, frozen=True):
    url: str
    threads: int
    window: Window
    last: int = 10_000


def run(load: ThreadAppends) -> Sample:
    """`per_s`: events a second, one event a call, each names the version after the one it knows."""
    recorder = opened(load.url, load.threads)
    recorder.create_table()
    streams, lock, tally = _known(recorder, load.last), Lock(), Tally()
    done = [0] * load.threads  # one each: an increment is not atomic

    def call(number: int) -> None:
        while not tally.over:
            with lock:
                stream, version = streams.take()
            topic, state = encode(changed(version))
            try:
                recorder.insert_events([StoredEvent(stream, version + 1, topic, state)])
            except Exception as error:  # noqa: BLE001, errors are part of what is measured
                tally.failed(error)
            else:
                done[number] += 1
                with lock:
                    streams.give(stream, version + 1)

    calling = [Thread(target=call, args=(number,)) for number in range(load.threads)]
    for thread in calling:
        thread.start()
    time.sleep(load.window.before_s)
    start, before = time.perf_counter(), sum(done)
    time.sleep(load.window.seconds)
    per_s = (sum(done) - before) / (time.perf_counter() - start)
    tally.over = True
    for thread in calling:
        thread.join()
    recorder.datastore.close()
    return tally.sample({"per_s": per_s})


def opened(url: str, connections: int, table: str = TABLE) -> PostgresApplicationRecorder:
    """A recorder with as many connections as it has callers: none waits for the pool."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    datastore = PostgresDatastore(
        parts["dbname"],
        parts["host"],
        parts["port"],
        parts["user"],
        parts["password"],
        pool_size=connections,
    )
    return PostgresApplicationRecorder(datastore, events_table_name=table)


def _known(recorder: PostgresApplicationRecorder, last: int) -> Streams:
    statement = f"SELECT originator_id, max(originator_version) FROM {TABLE} GROUP BY 1"  # noqa: S608
    with recorder.datastore.get_connection() as connection:
        rows = connection.execute(statement).fetchall()
    found = {row["originator_id"]: row["max"] for row in rows}
    return Streams({stream: found.get(stream, 0) for stream in stream_ids(0, last)})


if __name__ == "__main__":
    answer(run(given(ThreadAppends)))
