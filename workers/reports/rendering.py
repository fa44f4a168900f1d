"""A report on paper: from report.json in a folder to report.pdf and its number of pages.

A program of its own (see paper.py): what it draws takes time and memory, which are bounded.
"""

import base64
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import msgspec
from fpdf import FPDF, TextStyle

from workers.letters import TEMPLATES
from workers.reports import fonts
from workers.reports.charts import WIDTH, legend, svg
from workers.reports.model import Chart, Figure, Report

FONT = "paper"
SIZE = 9.0  # points
INK, ACCENT, FAINT, LINE = "#1f2430", "#5b54d6", "#737a87", "#d8dbe2"
STYLES = {
    "h1": TextStyle(FONT, "B", 18, INK, b_margin=2),
    "h2": TextStyle(FONT, "B", 11, ACCENT, t_margin=4, b_margin=1),
    "p": TextStyle(FONT, "", SIZE, INK),
}
IMAGE = "data:image/svg+xml;base64,"


class Drawn(msgspec.Struct, frozen=True):
    """A chart for the template."""

    title: str
    legend: list[tuple[str, str]]
    image: str  # base64
    width: float


class Paper(FPDF):
    """Pages with a number, and what the figures are of."""

    def __init__(self, report: Report) -> None:
        super().__init__(format="A4")
        self._foot = f"{report.title} · {_of(report)}"
        self.set_margins(18, 16)
        self.set_auto_page_break(True, margin=18)
        self.set_title(report.title)
        self.set_creator("Formula")
        self.set_creation_date(report.made_at)

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(FONT, size=7)
        self.set_text_color(FAINT)
        self.cell(self.epw - 20, 4, self._foot[:120])
        self.cell(20, 4, f"{self.page_no()} / {{nb}}", align="R")


def html(report: Report) -> str:
    about = [*report.about, Figure("As of", _of(report))]
    charts = [_drawn(chart) for chart in report.charts]
    page = TEMPLATES.get_template("report_page.html")
    return page.render(report=report, about=about, charts=charts)


def pdf(report: Report, folder: Path) -> tuple[bytes, int]:
    """The document, and how many pages it has. Its fonts are left in `folder`."""
    text = html(report)
    paper = Paper(report)
    _dress(paper, text, folder)
    paper.add_page()
    paper.set_font(FONT, size=SIZE)
    paper.set_text_color(INK)
    paper.set_draw_color(LINE)
    paper.write_html(
        text,
        font_family=FONT,
        image_map=cast(Any, _image),  # typed for names of files only
        table_line_separators=True,
        tag_styles=STYLES,
    )
    return bytes(paper.output()), paper.pages_count


def _of(report: Report) -> str:
    return f"position {report.position}, {report.made_at:%Y-%m-%d %H:%M} UTC"


def _drawn(chart: Chart) -> Drawn:
    return Drawn(chart.title, legend(chart), base64.b64encode(svg(chart).encode()).decode(), WIDTH)


def _image(source: str) -> BytesIO:
    """Our charts. Nothing is fetched and no file is read, whatever a text says."""
    if not source.startswith(IMAGE):
        raise ValueError("an image that is no chart")
    return BytesIO(base64.b64decode(source.removeprefix(IMAGE)))


def _dress(paper: Paper, text: str, folder: Path) -> None:
    """Add the fonts that the text needs, the first in bold as well."""
    ascii_ = set(range(0x20, 0x7F)) | {ord("·")}
    others: list[str] = []
    for place, (path, characters) in enumerate(fonts.needed(text)):
        family = f"{FONT}{place or ''}"
        for style, weight in {"": fonts.REGULAR, "B": fonts.BOLD}.items():
            file = folder / f"{family}{style}{'.otf' if path.suffix == '.ttc' else '.ttf'}"
            file.write_bytes(fonts.cut(path, characters | (set() if place else ascii_), weight))
            paper.add_font(family, style, file)
        if place:
            others.append(family)
    paper.set_fallback_fonts(others)
    paper.set_text_shaping(bool(others))  # which takes ten times as long, and Latin needs none


def main() -> int:
    folder = Path(sys.argv[1])
    report = msgspec.json.decode((folder / "report.json").read_bytes(), type=Report)
    document, pages = pdf(report, folder)
    (folder / "report.pdf").write_bytes(document)
    (folder / "pages").write_text(str(pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
