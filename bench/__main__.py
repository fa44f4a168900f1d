"""python -m bench SUITE [--json] [--quick]: measure, print a table, keep the result."""

import argparse
import sys
import time
from collections.abc import Callable, Mapping

import msgspec

from bench import api, append, files, jobs, projections, realtime, soak, watching
from bench.environment import environment
from bench.harness import Stage, say, stage
from bench.report import Report, Row, save, table
from infra.folder import EmbeddedError
from infra.log import configure_logging
from infra.settings import Settings

SUITES: Mapping[str, Callable[[Stage], list[Row]]] = {
    "api": api.run,
    "append": append.run,
    "files": files.run,
    "jobs": jobs.run,
    "projections": projections.run,
    "realtime": realtime.run,
    "soak": soak.run,
    "watching": watching.run,
}
ABOUT = tuple(
    module.__doc__ or ""
    for module in (api, append, files, jobs, projections, realtime, soak, watching)
)


def main() -> int:
    """0 even where a target was missed, which the table tells; 1 where measuring went wrong."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=SUITES, help="without one, all are listed")
    parser.add_argument("--json", action="store_true", help="the result as the last line")
    parser.add_argument("--quick", action="store_true", help="a smoke test: figures mean little")
    options = parser.parse_args()
    if options.suite is None:
        print("\n".join(ABOUT))
        return 0
    configure_logging(Settings(log_level="warning"))
    try:
        report = measured(options.suite, quick=options.quick)
    except EmbeddedError as error:
        say(f"bench: {error}")
        return 1
    print(table(report))
    if options.json:
        print(msgspec.json.encode(report).decode())
    return 1 if report.failed else 0


def measured(suite: str, *, quick: bool) -> Report:
    start = time.monotonic()
    with stage(quick=quick) as here:
        where = environment(here.folder, here.servers.database_url, quick=quick)
        say(f"{suite} at {where.commit}: fdatasync {where.fdatasync_ms} ms, load {where.load_1m}")
        report = Report(suite, where, SUITES[suite](here))
    say(f"{suite} took {time.monotonic() - start:.0f} s, kept in {save(report)}")
    return report


if __name__ == "__main__":
    sys.exit(main())
