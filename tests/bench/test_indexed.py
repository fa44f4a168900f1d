"""The benchmark of the indexes asks the same of both, and has a claim for every kind."""

from itertools import combinations
from math import lcm

import psycopg
import pytest

from bench import indexed, tables
from bench.contestant import contestant, play
from bench.load.indexed import KINDS, Asks
from bench.rows import SPREAD
from infra.settings import Settings

pytestmark = pytest.mark.services


def test_no_pair_of_references_comes_twice_in_the_largest_tables() -> None:
    assert all(lcm(*two) >= max(tables.ROWS) for two in combinations(SPREAD, 2))


def test_every_kind_is_asked_with_indexes_and_with_keys_alone(settings: Settings) -> None:
    assert indexed.CLAIMED.keys() == KINDS.keys()
    indexed.load(settings, 2_000)
    for kind in KINDS:
        for schema in ("indexed", "plain"):
            sample = play(contestant(kind, Asks(settings, schema, kind, 0.0)))
            assert sample.errors == 0, sample.error
            assert sample.values["per_s"] > 0
            for query in KINDS[kind]:
                assert 0 < sample.values[f"{query} p50"] <= sample.values[f"{query} p99"]


def test_plain_tables_have_their_keys_alone(settings: Settings) -> None:
    indexed.load(settings, 10)
    with psycopg.connect(settings.database_url) as db:
        rows = db.execute(
            "SELECT schemaname, count(*) FROM pg_indexes"
            " WHERE schemaname IN ('plain', 'indexed') GROUP BY 1"
        ).fetchall()
    counts = dict(rows)
    assert counts["plain"] == len(indexed.ASKED)
    assert counts["indexed"] > 4 * len(indexed.ASKED)
