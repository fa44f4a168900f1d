"""Pages of results: what they say, and that they ask nobody for anything."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from bench.charts import Chart, charts, svg
from bench.lines import Line, lines
from bench.page import Run, page
from bench.report import Place, Row, Target, judged, number
from bench.written import html, markdown, write
from tests.bench.results import BESIDE, OURS, PEER, WHERE, report

SKIPPED = Row(name="bullmq", value=None, unit="", note="skipped: no node")
WRONG = msgspec.structs.replace(OURS, name="wrong", errors=3, note="Conflict | <b>")
ALL = report(
    judged(BESIDE, Target(least=2.0)), PEER, judged(OURS, Target(least=1.0)), SKIPPED, WRONG
)


def test_a_peer_stands_in_the_line_of_what_it_is_beside() -> None:
    alone = msgspec.structs.replace(OURS, name="pgbench 1", unit="events/s")
    ours = msgspec.structs.replace(BESIDE, name="one caller", against="pgbench 1")
    found = lines([BESIDE, PEER, ours, alone])
    assert [line.row for line in found] == [BESIDE, ours]
    assert found[0].beside == (("peer", PEER),)
    assert found[1].beside == (("pgbench 1", alone),)


def test_a_row_is_beside_the_longest_title_that_it_ends_with() -> None:
    names = ("idle, p50", "idle", "node, idle, p50", "node, idle")
    p50, idle, node_p50, node = (Row(name=name, value=1.0, unit="") for name in names)
    assert lines([p50, idle, node_p50, node]) == [
        Line(p50, (("node", node_p50),)),
        Line(idle, (("node", node),)),
    ]


def test_no_row_is_lost_where_a_peers_name_is_a_title_too() -> None:
    names = ("each", "idle, each", "node, idle, each")
    each, idle, node = (Row(name=name, value=1.0, unit="") for name in names)
    assert lines([each, idle, node]) == [Line(each, (("idle", idle), ("node, idle", node)))]


def test_the_page_begins_with_verdicts_ratios_targets_and_advice() -> None:
    sections = page([Run(ALL, report(OURS))])
    assert [one.title for one in sections] == [
        "What was found",
        "Ratios",
        "Targets",
        "What to change",
        "Suite append",
        "Suite append: since the run before",
    ]
    assert sections[0].text == (
        "1 of 2 targets are met.",
        "append, wrong: 3 ERRORS: Conflict | <b>",
        "append, bullmq: skipped: no node",
    )
    peer = "peer: 1,000 events/s (900 to 1,100)"
    ours = "1,500 events/s (1,450 to 1,550)"
    line = ("append", "beside", ours, peer, "1.50 (1.40 to 1.60)", ">= 2", "MISSED")
    assert sections[1].tables[0].rows == (line,)
    assert [row[-1] for row in sections[2].tables[0].rows] == ["MISSED", "ok"]
    assert WHERE.kernel in sections[4].text[0]


def test_an_error_of_many_rows_is_said_once() -> None:
    wrong = [msgspec.structs.replace(WRONG, name=name) for name in ("a", "b", "c")]
    text = page([Run(report(OURS, *wrong))])[0].text
    assert text == ("No targets are set.", "append, a and 2 more: 3 ERRORS: Conflict | <b>")


def test_markdown_has_a_line_for_each_row_whatever_is_in_it() -> None:
    text = markdown(page([Run(ALL)]))
    assert text.startswith("# Benchmarks\n\n## What was found\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.split(r"(?<!\\)\|", line)) in {7, 6, 9} for line in rows if "---" not in line)
    assert "Conflict \\| <b>" in text


class Addresses(HTMLParser):
    """What a page would load, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [str(value) for name, value in attrs if name in {"src", "href", "srcset"}]


def test_html_is_one_page_for_light_and_dark_that_loads_nothing() -> None:
    text = html(page([Run(report(*growth(), WRONG))]))
    seen = Addresses()
    seen.feed(text)
    assert seen.found == []
    assert "script" not in seen.tags
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "<b>" not in text
    assert seen.tags.count("svg") == 1


def growth() -> list[Row]:
    chart = "append p99 over events"
    values = ((10**4, 1.0), (10**6, 2.0))
    return [
        Row(name=f"p99, {x}", value=y, unit="ms", place=Place(chart, "formula", x))
        for x, y in values
    ]


def test_rows_that_say_where_they_belong_make_a_line_of_a_chart() -> None:
    assert charts(report(*reversed(growth()))) == [
        Chart(
            "append p99 over events",
            "events",
            "ms",
            (("formula", [(10**4, 1.0), (10**6, 2.0)]),),
            log_x=True,
        )
    ]


def test_latencies_of_both_sides_share_a_chart() -> None:
    cdf = [(1.0, 0.5), (9.0, 0.99)]
    ours = Row(name="pickup p99", value=9.0, unit="ms", cdf=cdf)
    peer = Row(name="bullmq, pickup p99", value=9.0, unit="ms", cdf=cdf)
    [chart] = charts(report(ours, peer))
    assert chart.title == "pickup: latencies"
    assert [name for name, _ in chart.lines] == ["formula", "bullmq"]


def test_a_picture_is_sound_and_puts_points_where_they_belong() -> None:
    chart = Chart("a <b>", "ms", "share", (("x & y", [(1.0, 0.0), (100.0, 1.0)]),), log_x=True)
    tree = ET.fromstring(svg(chart))  # noqa: S314, our own
    assert tree.get("aria-label") == "a <b>"
    [line] = tree.findall("polyline")
    assert line.get("points") == "70.0,256.0 530.0,30.0"
    assert [one.text for one in tree.findall("text")][-1] == "x & y"


@pytest.mark.parametrize(
    ("most", "top"), [(0.0, 1.0), (1.0, 1.0), (3.9, 4.0), (4.1, 8.0), (16_872.0, 20_000.0)]
)
def test_an_axis_ends_at_a_number_that_is_easily_read(most: float, top: float) -> None:
    chart = Chart("c", "x", "y", (("a", [(1.0, most)]),))
    tree = ET.fromstring(svg(chart))  # noqa: S314, our own
    ticks = [one.text for one in tree.findall("text") if one.get("text-anchor") == "end"]
    assert ticks[-1] == number(top)


def test_a_chart_of_nothing_but_zeros_can_be_drawn() -> None:
    ET.fromstring(svg(Chart("zeros", "x", "y", (("a", [(0.0, 0.0)]),))))  # noqa: S314


def test_both_files_are_written(tmp_path: Path) -> None:
    path = write([Run(ALL)], "page", tmp_path / "results")
    assert path.read_text().startswith("<!doctype html>")
    assert path.with_suffix(".md").read_text().startswith("# Benchmarks")
