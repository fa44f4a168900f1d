"""Reports as files: Markdown, and one page of HTML that asks nobody for anything."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from bench.charts import Chart, svg
from bench.page import Run, Section, Table, page
from bench.stored import RESULTS

TITLE = "Benchmarks"
HERE = Path(__file__).parent


def write(runs: Sequence[Run], stem: str, folder: Path = RESULTS) -> Path:
    """Both, beside each other; returns the HTML's path."""
    folder.mkdir(exist_ok=True)
    sections = page(runs)
    (folder / f"{stem}.md").write_text(markdown(sections))
    path = folder / f"{stem}.html"
    path.write_text(html(sections))
    return path


def markdown(sections: Sequence[Section]) -> str:
    """Without the charts, which the HTML has."""
    blocks = [f"# {TITLE}"]
    for section in sections:
        blocks.append(f"## {section.title}")
        blocks += section.text
        blocks += ("\n".join(table_lines(table)) for table in section.tables)
    return "\n\n".join(blocks) + "\n"


def table_lines(table: Table) -> Iterator[str]:
    yield _line(table.header)
    yield "|" + "---|" * len(table.header)
    for row in table.rows:
        yield _line(row)


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"


def html(sections: Sequence[Section]) -> str:
    loader = FileSystemLoader(HERE)
    template = Environment(loader=loader, autoescape=True).get_template("report.html")
    return template.render(title=TITLE, sections=sections, picture=_picture)


def _picture(chart: Chart) -> Markup:
    """What is text in it has been escaped."""
    return Markup(svg(chart))  # noqa: S704
