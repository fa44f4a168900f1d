"""One suite measured, or all of them one after another; every result is kept and reported."""

import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from bench.environment import environment
from bench.harness import say, stage
from bench.page import Run
from bench.report import Report, table
from bench.stored import before, of_suite, save, stem
from bench.suites import SUITES
from bench.written import write


def measured(suite: str, *, quick: bool) -> Report:
    """On servers of its own. Raises EmbeddedError where they cannot be had."""
    start = time.monotonic()
    with stage(quick=quick) as here:
        servers = here.servers
        where = environment(here.folder, servers.database_url, servers.redis_url, quick=quick)
        say(f"{suite} at {where.commit}: fdatasync {where.fdatasync_ms} ms, load {where.load_1m}")
        rows = SUITES[suite](here)
    return Report(suite, where, rows, round(time.monotonic() - start, 1))


def kept(report: Report) -> None:
    """The result and its page; an installation may have no place for them, and has its answer."""
    try:
        path = save(report)
        page = write([Run(report, before(report))], stem(report))
    except OSError as error:
        say(f"not kept: {error}")
    else:
        say(f"{report.suite} took {report.took_s:.0f} s, kept in {path}, see {page}")


def every(suites: Sequence[str], *, quick: bool) -> int:
    """Each in a process of its own: whatever becomes of it, the next one is run."""
    reports: list[Report] = []
    failed: list[str] = []
    for number, suite in enumerate(suites):
        say(f"[{number + 1}/{len(suites)}] {suite}; {_left(suites[number:], quick=quick)}")
        report = _run(suite, quick=quick)
        if report is None or report.failed:
            failed.append(suite)
        if report is not None:
            reports.append(report)
            print(f"\n{suite}\n{table(report)}", flush=True)
    if reports:
        runs = [Run(one, before(one)) for one in reports]
        say(f"all in one page: {write(runs, 'all-' + stem(reports[0]).partition('-')[2])}")
    if failed:
        say(f"with errors: {', '.join(failed)}")
    return 1 if failed else 0


def _run(suite: str, *, quick: bool) -> Report | None:
    argv = [sys.executable, "-m", "bench", suite, "--json", *(["--quick"] if quick else [])]
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE)
    lines = done.stdout.splitlines()
    try:
        return msgspec.json.decode(lines[-1] if lines else b"", type=Report)
    except msgspec.DecodeError:
        say(f"{suite} has no result: exit code {done.returncode}")
        return None


def _left(suites: Sequence[str], *, quick: bool) -> str:
    """How long those took the last time, where that is known of all of them."""
    took = [_took(suite, quick=quick) for suite in suites]
    known = [seconds for seconds in took if seconds is not None]
    if len(known) < len(took):
        return f"{len(suites)} left"
    return f"{len(suites)} left, about {sum(known) / 60:.0f} min"


def _took(suite: str, *, quick: bool) -> float | None:
    alike = [one for one in of_suite(suite) if one.environment.quick == quick]
    times = [one.took_s for one in alike if one.took_s is not UNSET]
    return times[-1] if times else None
