"""What is drawn: charts that fit, text that is text, fonts for what is written."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from workers.reports import fonts
from workers.reports.charts import HEIGHT, WIDTH, grid, svg
from workers.reports.model import Chart, Column, Figure, Listing, Report, Series
from workers.reports.rendering import html, pdf
from workers.reports.sheets import Row, cell, sheet

AT = datetime(2026, 5, 4, tzinfo=UTC)
EVIL = '<img src="file:///etc/passwd"><script>1</script>&amp;'


def report(text: str, rows: int = 1) -> Report:
    listing = Listing(text, (Column("A", 50), Column("B", 50)), ((text, "1"),) * rows)
    figure = Figure(text, text)
    return Report(
        title=text,
        about=(figure,),
        position=7,
        made_at=AT,
        figures=(figure,),
        listings=(listing,),
    )


def read(document: bytes) -> str:
    pages = PdfReader(io.BytesIO(document)).pages
    return "\n".join(page.extract_text().replace("\0", "") for page in pages)


def test_what_people_write_is_never_markup(tmp_path: Path) -> None:
    """And so no file is read and nothing fetched for it."""
    assert "<img" not in html(report(EVIL))
    assert "<script" not in html(report(EVIL))
    document, _ = pdf(report(EVIL), tmp_path)
    assert "file:///etc/passwd" in read(document)
    assert b"root:" not in document


def test_a_table_goes_on_over_pages_with_its_head_and_their_numbers(tmp_path: Path) -> None:
    document, pages = pdf(report("Draw the arch", rows=120), tmp_path)
    text = read(document)
    assert pages > 2
    assert text.count("Draw the arch") >= 120
    for number in range(1, pages + 1):
        assert f"{number} / {pages}" in text
    assert text.count("position 7, 2026-05-04 00:00 UTC") == pages + 1


@pytest.mark.parametrize(
    "text",
    ["Größe", "Ελένη", "Иван", "שלום", "مريم", "अजय", "สมชาย", "田中", "王伟", "김민수", "🙂"],
)
def test_each_script_has_a_font(text: str, tmp_path: Path) -> None:
    found = list(fonts.needed(text))
    assert set().union(*(given for _, given in found)) == {ord(c) for c in text}
    document, _ = pdf(report(text), tmp_path)
    assert len(document) < 60_000  # of each font only what is used


def test_what_no_font_has_does_not_stop_a_report(tmp_path: Path) -> None:
    document, _ = pdf(report("a\x07b\U000f0000c"), tmp_path)
    assert "position 7" in read(document)


@given(
    st.sampled_from(["bars", "lines"]),
    st.lists(st.tuples(*[st.floats(0, 1e9, allow_nan=False)] * 2), min_size=1, max_size=400),
)
def test_a_chart_stays_within_its_frame(kind: str, values: list[tuple[float, float]]) -> None:
    series = tuple(Series(str(n), tuple(row[n] for row in values)) for n in range(2))
    chart = Chart("c", "bars" if kind == "bars" else "lines", ("x",) * len(values), series)
    drawn = ET.fromstring(svg(chart))  # noqa: S314, our own
    for element in drawn.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, width, height = (float(element.attrib[n]) for n in ("x", "y", "width", "height"))
        assert 0 <= x <= x + width <= WIDTH
        assert 0 <= y <= y + height <= HEIGHT
    for element in drawn.iter("{http://www.w3.org/2000/svg}path"):
        numbers = [
            float(n) for n in element.attrib["d"].replace("M", " ").replace("L", " ").split()
        ]
        assert all(0 <= x <= WIDTH for x in numbers[::2])
        assert all(0 <= y <= HEIGHT for y in numbers[1::2])


@given(st.floats(0, 1e12, allow_nan=False))
def test_a_grid_begins_at_nothing_and_holds_the_most_with_few_lines(most: float) -> None:
    ticks = grid(most)
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 6


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49", "'+49"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("a=1", "a=1"),
        (-5, "-5"),
        (None, ""),
        (True, "true"),
        ({"a": 1}, '{"a":1}'),
        (AT, "2026-05-04T00:00:00+00:00"),
    ],
)
def test_no_text_is_a_formula(value: object, written: str) -> None:
    assert cell(value) == written


async def test_a_sheet_is_read_back_as_it_was_written() -> None:
    rows: list[Row] = [('a,"b"\nc', 1), ("Größe", None)]

    async def pages() -> AsyncIterator[list[Row]]:
        yield rows
        yield []
        yield rows

    content = b"".join([part async for part in sheet(("name", "n"), pages())]).decode("utf-8-sig")
    found = list(csv.reader(io.StringIO(content, newline="")))
    again = [['a,"b"\nc', "1"], ["Größe", ""]]
    assert found == [["name", "n"], *again, *again]
