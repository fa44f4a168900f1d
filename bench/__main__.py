"""python -m bench NAME [--json] [--quick]: measure, print a table, keep the result and its page.

`all` runs every short suite; `report`, `compare` and `readme` show what is kept.
"""

import argparse
import signal
import sys
from pathlib import Path

import msgspec

from bench import readme
from bench.harness import say
from bench.measuring import every, kept, measured
from bench.page import Run, compared
from bench.report import table
from bench.stored import before, load, newest
from bench.suites import ABOUT, SHORT, SUITES
from bench.written import markdown, write
from infra.folder import EmbeddedError
from infra.log import configure_logging
from infra.settings import Settings


def main() -> int:
    """0 even where a target was missed, which the table tells; 1 where measuring went wrong."""
    options = _parser().parse_args()
    configure_logging(Settings(log_level="warning"))
    signal.signal(signal.SIGTERM, _stop)
    try:
        match options.name:
            case None:
                print("\n".join(ABOUT))
                return 0
            case "all":
                return every(SHORT, quick=options.quick)
            case "report":
                return _report(options.results)
            case "compare":
                return _compare(options.before, options.after)
            case "readme":
                return readme.rewrite(options.results)
            case suite:
                return _measure(suite, json=options.json, quick=options.quick)
    except EmbeddedError as error:
        say(f"bench: {error}")
        return 1
    except (OSError, msgspec.DecodeError) as error:
        if options.name not in {"report", "compare", "readme"}:
            raise
        say(f"bench: no result: {error}")
        return 1


def _stop(_signal: int, _frame: object) -> None:
    """As Ctrl-C does: servers and contestants are ended on the way out."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    names = parser.add_subparsers(dest="name", metavar="NAME")
    for name in (*SUITES, "all"):
        one = names.add_parser(name)
        one.add_argument("--quick", action="store_true", help="a smoke test: figures mean little")
        if name != "all":
            one.add_argument("--json", action="store_true", help="the result as the last line")
    for name, about in (
        ("report", "make the page of these results, or of each suite's newest"),
        (
            "readme",
            "write README's tables; results given take their suites' place",
        ),
    ):
        names.add_parser(name, help=about).add_argument("results", nargs="*", type=Path)
    two = names.add_parser("compare", help="what changed from one result to another")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    return parser


def _measure(suite: str, *, json: bool, quick: bool) -> int:
    report = measured(suite, quick=quick)
    kept(report)
    print(table(report))
    if json:
        print(msgspec.json.encode(report).decode())
    return 1 if report.failed else 0


def _report(paths: list[Path]) -> int:
    found = [load(path) for path in paths] if paths else [newest(suite) for suite in SUITES]
    reports = [one for one in found if one is not None]
    if not reports:
        say("bench: no results are kept yet")
        return 1
    print(write([Run(one, before(one)) for one in reports], "report"))
    return 0


def _compare(before_path: Path, after_path: Path) -> int:
    first, second = load(before_path), load(after_path)
    if first.suite != second.suite:
        say(f"bench: {first.suite} and {second.suite} cannot be compared")
        return 1
    print(markdown([compared(first, second)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
