"""A plain transaction: psycopg inserts Formula's row, prepared, without a check of any version."""

import time
from datetime import UTC, datetime

import msgspec
import psycopg
import uvloop

from bench.child import Sample, answer, given
from bench.load.distribution import distribution
from bench.load.loops import Latencies, Window, open_loop
from bench.load.streams import changed, known, metadata, stream_ids
from infra.eventstore.codec import encode, encode_metadata
from infra.runtime import uuid7

INSERT = """
INSERT INTO formula_events
    (originator_id, originator_version, topic, state, metadata, command_id, command_size)
VALUES (%s, %s, %s, %b, %b, %s, 1)
"""


class Transactions(msgspec.Struct, frozen=True):
    url: str
    rate: int  # a second
    window: Window
    last: int = 10_000


async def run(load: Transactions) -> Sample:
    """`append p50` and `p99`: milliseconds since the transaction was due."""
    connecting = psycopg.AsyncConnection.connect(load.url, autocommit=True)
    async with await connecting as connection:
        streams = await known(connection, stream_ids(0, load.last))
        latencies = Latencies(time.perf_counter() + load.window.before_s)

        async def insert(due: float) -> None:
            stream, version = streams.take()
            meta = metadata(uuid7(datetime.now(UTC)))
            event = encode(changed(version))
            row = (stream, version + 1, *event, encode_metadata(meta), meta.command_id)
            await connection.execute(INSERT, row, prepare=True)
            latencies.record(due)
            streams.give(stream, version + 1)

        tally = await open_loop(load.rate, load.window, insert)
        return tally.sample(distribution(latencies, "append"))


if __name__ == "__main__":
    answer(uvloop.run(run(given(Transactions))))
