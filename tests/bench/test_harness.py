"""Rounds of real processes, and what is made of their samples."""

from pathlib import Path

import pytest

from bench.child import Sample
from bench.contestant import contestant, play
from bench.harness import Figure, Results, Stage, at_once, compete, figure
from bench.report import Target
from infra.embedded import Embedded
from infra.folder import EmbeddedError
from tests.bench.echo import Echo


def test_a_figure_is_the_median_and_the_spread_of_the_rounds() -> None:
    assert figure([9.0, 1.0, 2.0]) == Figure(2.0, 1.0, 9.0)
    assert figure([1.0, 2.0]) == Figure(1.5, 1.0, 2.0)


def test_rounds_are_interleaved_and_turn_round(tmp_path: Path) -> None:
    book = tmp_path / "book"
    contestants = [contestant(name, Echo(name, str(book), 5.0)) for name in "ABC"]
    results = compete(contestants, rounds=2)
    assert book.read_text() == "AaBbCcCcBbAa"
    assert results.samples["B"] == [Sample({"per_s": 5.0})] * 2


def test_side_by_side_each_has_a_sample_of_its_own(tmp_path: Path) -> None:
    book = str(tmp_path / "book")
    alike = [contestant("B", Echo("B", book, 7.0)), contestant("A", Echo("A", book, 5.0))]
    results = at_once([*alike, contestant("dies", Echo("C", book, None, "no such table"))])
    assert results.samples == {
        "B": [Sample({"per_s": 7.0})],
        "A": [Sample({"per_s": 5.0})],
        "dies": [Sample({}, 1, "no such table")],
    }


def test_processes_of_one_contestant_begin_when_all_are_ready_and_add_up(tmp_path: Path) -> None:
    book = tmp_path / "book"
    sample = play(contestant("two", Echo("A", str(book), 5.0), Echo("B", str(book), 7.0)))
    assert sample == Sample({"per_s": 12.0})
    assert book.read_text()[:2].isupper()
    assert book.read_text()[2:].islower()


def test_a_process_that_dies_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    book = str(tmp_path / "book")
    dies = Echo("A", book, None, "first\nno such table")
    assert play(contestant("dies", dies)) == Sample({}, 1, "no such table")
    assert play(contestant("half", Echo("B", book, 5.0), dies)) == Sample({}, 1, "no such table")


def test_a_ratio_and_its_verdict_come_from_the_medians_of_one_competition() -> None:
    results = Results(
        {
            "ours": [Sample({"per_s": value}) for value in (100.0, 300.0, 150.0)],
            "peer": [Sample({"per_s": value}) for value in (100.0, 90.0, 400.0)],
        }
    )
    row = results.row("ours", "events/s", "ours", against="peer", target=Target(least=1.5))
    assert (row.value, row.low, row.high) == (150.0, 100.0, 300.0)
    assert (row.ratio, row.ok) == (1.5, True)


@pytest.mark.parametrize(("failed", "left"), [("ours", {}), ("peer", {}), ("peer", {"per_s": 0.0})])
def test_no_verdict_is_good_where_either_side_has_no_figure(
    failed: str, left: dict[str, float]
) -> None:
    samples = {"ours": [Sample({"per_s": 1.0})], "peer": [Sample({"per_s": 1.0})]}
    results = Results(samples | {failed: [Sample(left, 1, "gone")]})
    row = results.row("ours", "events/s", "ours", against="peer", target=Target(least=0.1))
    assert (row.ratio, row.ok) == (None, False)


def test_a_suite_is_told_beforehand_that_the_disk_is_too_small(tmp_path: Path) -> None:
    here = Stage(tmp_path, Embedded("", ""), quick=True)
    here.require_room(1)
    with pytest.raises(EmbeddedError, match="set TMPDIR"):
        here.require_room(10**18)


def test_errors_of_any_round_are_counted_and_named() -> None:
    results = Results({"ours": [Sample({"per_s": 1.0}), Sample({"per_s": 1.0}, 2, "Conflict")]})
    row = results.row("ours", "events/s", "ours")
    assert (row.errors, row.note) == (2, "Conflict")
