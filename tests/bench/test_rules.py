"""Each recommendation comes of what calls for it, and of nothing else."""

import msgspec
import pytest

from bench import chaos
from bench.report import Report, Row, Target, judged
from bench.rules import RULES, advice
from tests.bench.results import BESIDE, OURS, WHERE, report


def ms(name: str, value: float, note: str | None = None) -> Row:
    return Row(name=name, value=value, unit="ms", note=note or msgspec.UNSET)


def wanted(name: str, value: float, most: float) -> Row:
    return judged(ms(name, value), Target(most=most))


def environment(**changed: object) -> Report:
    return report(OURS, where=msgspec.structs.replace(WHERE, **changed))


def used(process: str, percent: int) -> Report:
    return report(ms("busy", 1.0, f"of a core: {process} {percent} %"))


def pair(name: str) -> tuple[Report, Report]:
    """A target missed, and the same met."""
    return report(wanted(name, 9.0, 5.0)), report(wanted(name, 4.0, 5.0))


# What causes each, and what is close to it and does not.
CASES: dict[str, tuple[Report, Report]] = {
    "Fix what failed before you read figures": (
        report(msgspec.structs.replace(OURS, errors=2, note="Conflict")),
        report(OURS),
    ),
    "Something was lost, doubled or out of order": (
        report(Row(name="tail: missed", value=1.0, unit="events")),
        report(Row(name="tail: missed", value=0.0, unit="events")),
    ),
    "Do not trust a quick run": (environment(quick=True), environment(quick=False)),
    "Measure what others can check out": (environment(commit="abc+"), environment(commit="abc")),
    "Let the machine come to rest": (environment(load_1m=0.6), environment(load_1m=0.5)),
    "Use more cores": (environment(cores=2), environment(cores=4)),
    "Install the peers that were not there": (
        report(Row(name="bullmq", value=None, unit="", note="skipped: no node")),
        report(Row(name="bullmq", value=None, unit="", note="of a core: node 3 %")),
    ),
    "Believe no figure that varies so much": (
        report(msgspec.structs.replace(OURS, low=1_000.0, high=1_600.0)),
        report(msgspec.structs.replace(OURS, low=1_400.0, high=1_600.0)),
    ),
    "Put Postgres's data on a faster disk": (
        environment(fdatasync_ms=2.1),
        environment(fdatasync_ms=2.0),
    ),
    "Look for what stops the world": (
        report(ms("way, p50", 2.0), ms("way, p99", 20.1)),
        report(ms("way, p50", 2.0), ms("way, p99", 20.0), ms("other, p99", 90.0)),
    ),
    "Start more API processes": (used("api", 85), used("api", 84)),
    "Give the rooms' projector a core of its own": (used("projector", 90), used("projector", 30)),
    "The load was what was measured": (used("client", 95), used("client", 50)),
    "Commit for many at once": (
        report(wanted("durable append, 8 callers", 9.0, 5.0)),
        report(wanted("durable append, 128 callers", 9.0, 5.0)),
    ),
    "One process appends for all better than two": pair("two processes, 64 callers each"),
    "Read models come late": pair("lag of live, p99"),
    "Build read models when few are there": pair("append beside a rebuild, p99"),
    "Jobs are picked up late": pair("200 jobs/s, pickup p99"),
    "Those who come back wait": pair("5,000 clients come back"),
    "Rooms hear late": pair("500 actions/s, 200 subscribers, p99"),
    "More is asked than is answered": pair("10 x, 500 people, 1,000 requests/s: REST, p99"),
    "Who is killed is missed for long": pair("api killed: until REST answers who reads, at most"),
    "Memory grows": pair("1,000 readers, 100 never read, memory"),
    "The cache does not help": pair("metadata from the cache: p99"),
    "The log's size is felt": pair("append p99, 1,000,000 events"),
    "Lists are slow": pair("lists, joined, p99"),
}


def test_every_rule_has_its_cases() -> None:
    assert [rule.title for rule in RULES] == list(CASES)
    assert len(RULES) >= 10


@pytest.mark.parametrize("title", CASES)
def test_a_rule_speaks_of_what_causes_it_and_of_nothing_else(title: str) -> None:
    causes, does_not = CASES[title]
    [found] = [one for one in advice(causes) if one.title == title]
    assert all(found.evidence)
    assert found.change
    assert title not in [one.title for one in advice(does_not)]


def test_nothing_is_said_of_a_run_in_which_all_is_well() -> None:
    assert advice(report(OURS, judged(BESIDE, Target(least=1.0)))) == []


def test_the_evidence_names_the_row_and_its_figure_and_what_was_wanted() -> None:
    [late] = advice(report(wanted("200 jobs/s, pickup p99", 33.6, 30.0)))
    assert late.evidence == ("200 jobs/s, pickup p99: 33.6 ms, wanted <= 30",)


@pytest.mark.parametrize(
    "name", [*chaos.FAULTS.values(), "1 x: deliveries missing", "20 x 100 MB: wrong by hash"]
)
def test_whatever_was_lost_or_doubled_is_told_of(name: str) -> None:
    [found] = advice(report(Row(name=name, value=1.0, unit="actions")))
    assert found.title == "Something was lost, doubled or out of order"
    assert advice(report(Row(name=name, value=0.0, unit="actions"))) == []
