"""pgbench: one INSERT a transaction, prepared, which is what Postgres does without group commit."""

import re
import subprocess
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import msgspec
import psycopg

from bench.child import Sample, answer, given
from bench.load.loops import Window
from bench.load.streams import changed, metadata
from infra.eventstore.codec import encode, encode_metadata
from infra.programs import postgres_programs

# The `eventsourcing` library's table.
SINGLE_TABLE = """
CREATE TABLE IF NOT EXISTS single (
    originator_id uuid NOT NULL, originator_version bigint NOT NULL, topic text, state bytea,
    notification_id bigserial, PRIMARY KEY (originator_id, originator_version));
CREATE UNIQUE INDEX IF NOT EXISTS single_notification_id_idx ON single (notification_id);
"""
# Versions at random: no conflict, and nobody looks for the last one.
DRAWN = """\
\\set stream random(1, 10000)
\\set version random(1, 9000000000000000000)
"""
SINGLE = """
INSERT INTO single (originator_id, originator_version, topic, state)
VALUES (md5((:stream)::text)::uuid, :version, '{topic}', '\\x{state}');
"""
FULL = """
INSERT INTO formula_events
    (originator_id, originator_version, topic, state, metadata, command_id, command_size)
VALUES (md5((:stream)::text)::uuid, :version,
    '{topic}', '\\x{state}', '\\x{metadata}', uuidv7(), 1);
"""
WARM_UP = 100  # transactions of each client
TPS = re.compile(r"tps = ([0-9.]+)")
FAILED = re.compile(r"number of failed transactions: ([0-9]+)")


class Inserts(msgspec.Struct, frozen=True):
    """`full`: rows and indexes of formula_events; without, those of the library's table."""

    url: str
    clients: int
    window: Window
    full: bool = False


def run(load: Inserts) -> Sample:
    """`per_s`: transactions a second."""
    if not load.full:
        with psycopg.connect(load.url) as connection:
            connection.execute(SINGLE_TABLE)
    with TemporaryDirectory(prefix="formula-pgbench-") as folder:
        script = Path(folder) / "insert.sql"
        script.write_text(DRAWN + _insert(full=load.full))
        _pgbench(load, script, f"--transactions={WARM_UP}")
        printed = _pgbench(load, script, f"--time={ceil(load.window.seconds)}")
    tps, failed = TPS.search(printed), FAILED.search(printed)
    if tps is None or failed is None:
        raise ValueError(f"pgbench printed no result: {printed[-200:]}")
    return Sample({"per_s": float(tps[1])}, int(failed[1]))


def _insert(*, full: bool) -> str:
    """The same payload and metadata that Formula stores."""
    topic, state = encode(changed(1_000))
    meta = encode_metadata(metadata(uuid4()))
    values = {"topic": topic, "state": state.hex(), "metadata": meta.hex()}
    return (FULL if full else SINGLE).format(**values)


def _pgbench(load: Inserts, script: Path, length: str) -> str:
    program = postgres_programs() / "pgbench"
    options = ("--no-vacuum", "--protocol=prepared", f"--file={script}", length)
    size = (f"--client={load.clients}", f"--jobs={min(load.clients, 2)}")
    done = subprocess.run(
        [program, *options, *size, load.url], check=True, capture_output=True, text=True
    )
    return done.stdout


if __name__ == "__main__":
    answer(run(given(Inserts)))
