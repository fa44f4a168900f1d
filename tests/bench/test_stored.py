"""Results that are kept: which is the newest, and which can be compared with which."""

from pathlib import Path

import msgspec

from bench.child import Sample
from bench.harness import Results
from bench.page import place
from bench.report import Report
from bench.stored import before, load, newest, of_suite, save
from tests.bench.results import BESIDE, WHERE, report

OLD = b"""{"suite": "append", "environment": {"at": "2029-01-01T00:00:00+00:00", "commit": "a",
"quick": false, "cores": 2, "memory_gib": 4, "load_1m": 0, "fdatasync_ms": 0.4, "kernel": "6",
"python": "3", "postgres": "18", "packages": {}}, "rows": [{"name": "x", "value": 1, "unit": "ms",
"low": 1, "high": 1, "against": null, "ratio": null, "errors": 0}]}"""


def at(time: str, *, quick: bool = False) -> Report:
    where = msgspec.structs.replace(WHERE, at=f"2030-01-02T{time}:00+00:00", quick=quick)
    return report(BESIDE, where=where)


def test_a_result_is_read_as_it_was_kept(tmp_path: Path) -> None:
    assert load(save(at("10:00"), tmp_path)).rows == [BESIDE]


def test_results_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "append-2029-01-01T000000Z.json").write_bytes(OLD)
    [found] = of_suite("append", tmp_path)
    assert found.rows[0].value == 1
    assert "Node" not in place(found.environment)


def test_whole_runs_are_compared_with_whole_runs(tmp_path: Path) -> None:
    whole, later, look = at("10:00"), at("12:00"), at("11:00", quick=True)
    for one in (later, whole, look):
        save(one, tmp_path)
    (tmp_path / "append-2031.json").write_text('{"suite": "something else"}')
    found = before(later, tmp_path)
    assert found is not None
    assert found.environment == whole.environment
    assert before(whole, tmp_path) is None
    assert before(look, tmp_path) is None
    last = newest("append", tmp_path)
    assert last is not None
    assert last.environment == later.environment


def test_a_row_knows_its_ratios_by_the_round() -> None:
    results = Results(
        {
            "ours": [Sample({"per_s": value}) for value in (100.0, 300.0, 150.0)],
            "peer": [Sample({"per_s": value}) for value in (100.0, 100.0, 300.0)],
        }
    )
    row = results.row("ours", "events/s", "ours", against="peer")
    assert (row.ratio_low, row.ratio_high) == (0.5, 3.0)


def test_a_row_of_a_99th_percentile_carries_what_else_is_known_of_it() -> None:
    told = {"append p50": 1.0, "append p99": 8.0, "append p90": 4.0, "tail p50": 7.0, "cpu": 1.0}
    results = Results({"ours": [Sample(told), Sample(told | {"append p90": 6.0})]})
    row = results.row("p99", "ms", "ours", "append p99")
    assert row.cdf == [(1.0, 0.5), (5.0, 0.9), (8.0, 0.99)]
    assert results.row("p50", "ms", "ours", "append p50").cdf is msgspec.UNSET
    assert results.row("tail", "ms", "ours", "tail p50").cdf is msgspec.UNSET
