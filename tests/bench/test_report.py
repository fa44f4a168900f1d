"""Rows, targets, the table and the JSON of a benchmark."""

from pathlib import Path

import msgspec
import pytest

from bench.report import Row, Target, judged, table
from bench.stored import save
from tests.bench.results import report

PLAIN = Row(name="peer", value=1_000.0, unit="events/s", low=900.0, high=1_100.0)
BESIDE = Row(name="ours", value=1_500.0, unit="events/s", against="peer", ratio=1.5)


@pytest.mark.parametrize(
    ("target", "ok"),
    [
        (Target(least=1.5), True),
        (Target(least=1.51), False),
        (Target(most=1.5), True),
        (Target(most=1.4), False),
    ],
)
def test_a_row_with_a_ratio_is_judged_by_it(target: Target, ok: bool) -> None:
    assert judged(BESIDE, target).ok is ok


def test_a_row_without_a_ratio_is_judged_by_its_value() -> None:
    assert judged(PLAIN, Target(least=1_000.0)).ok is True
    assert judged(PLAIN, Target(most=999.0)).ok is False


@pytest.mark.parametrize(
    "row",
    [
        Row(name="ours", value=None, unit="events/s"),
        Row(name="ours", value=9.0, unit="events/s", against="a peer that failed"),
        Row(name="ours", value=9.0, unit="events/s", errors=1),
    ],
)
def test_what_was_not_measured_or_went_wrong_is_not_ok(row: Row) -> None:
    assert judged(row, Target(least=0.1)).ok is False


def test_json_names_target_and_ok_only_where_there_is_a_target() -> None:
    found = msgspec.json.decode(
        msgspec.json.encode(report(PLAIN, judged(BESIDE, Target(least=1.0))))
    )
    assert found.keys() == {"suite", "environment", "rows"}
    always = {"name", "value", "unit", "low", "high", "against", "ratio", "errors"}
    assert found["rows"][0].keys() == always
    assert found["rows"][1].keys() == always | {"target", "ok"}
    assert (found["rows"][1]["target"], found["rows"][1]["ok"]) == (">= 1", True)


def test_the_table_says_what_is_ok_what_was_missed_and_what_went_wrong() -> None:
    wrong = msgspec.structs.replace(PLAIN, name="wrong", errors=3, note="Conflict")
    lines = table(
        report(judged(BESIDE, Target(least=1.0)), judged(PLAIN, Target(most=1.0)), wrong)
    ).splitlines()
    assert lines[1].endswith(">= 1    ok")
    assert lines[2].endswith("<= 1    MISSED")
    assert lines[3].endswith("3 ERRORS")
    assert lines[-1] == "wrong: Conflict"


def test_only_errors_make_a_report_fail() -> None:
    assert not report(judged(PLAIN, Target(most=1.0))).failed
    assert report(PLAIN, msgspec.structs.replace(PLAIN, errors=1)).failed


def test_a_result_is_kept_under_its_suite_and_time(tmp_path: Path) -> None:
    path = save(report(PLAIN), tmp_path / "results")
    assert path.name == "append-2030-01-02T030405Z.json"
    assert msgspec.json.decode(path.read_bytes())["rows"][0]["value"] == PLAIN.value
