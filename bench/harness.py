"""The harness: fresh servers, interleaved rounds, and rows of their medians."""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import msgspec
import psycopg
from msgspec import UNSET
from psycopg import sql

from bench.child import Sample
from bench.contestant import Contestant, play
from bench.report import Row, Target, judged, number
from infra.embedded import Embedded, embedded_servers
from infra.folder import EmbeddedError, require_reachable, server_user
from infra.limits import lifted
from infra.settings import Settings
from migrations.runner import migrate

TEMPLATE = "bench_template"
PERCENTILE = re.compile(r"(.*?)p(\d+(?:\.\d+)?)")
TOLD = ("50", "99")  # percentiles: the others are for plots


class Stage(msgspec.Struct, frozen=True, dict=True):
    """Where a suite plays: servers of its own, a migrated database for whoever asks."""

    folder: Path
    servers: Embedded
    quick: bool

    @cached_property
    def _template(self) -> str:
        self._create(TEMPLATE, "template1")
        migrate(self._url(TEMPLATE))
        return TEMPLATE

    def database(self, name: str) -> Settings:
        """The settings of a new database with Formula's tables."""
        self._create(name, self._template)
        own = Settings(
            database_url=self._url(name),
            redis_url=self.servers.redis_url,
            redis_prefix=f"{name}:",
        )
        return lifted(own)

    def require_room(self, needed: int) -> None:
        """Said before the first round, not by Postgres in the middle of the last. In bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise EmbeddedError(
                f"{self.folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB are needed:"
                " free some, or set TMPDIR to a folder with more"
            )

    def _url(self, name: str) -> str:
        return urlsplit(self.servers.database_url)._replace(path=f"/{name}").geturl()

    def _create(self, name: str, template: str) -> None:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


@contextmanager
def stage(*, quick: bool) -> Generator[Stage]:
    """Fresh servers that keep what they commit on a disk, all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="formula-bench-", dir=_base()) as name:
        folder = Path(name)
        folder.chmod(0o755)  # the servers may run as another user
        with embedded_servers(folder / "data", durable=True) as servers:
            yield Stage(folder, servers, quick)


def _base() -> str:
    """Not /dev/shm, whatever the tests do: what is committed there waits for no disk."""
    for base in (tempfile.gettempdir(), "/var/tmp"):  # noqa: S108, a new folder is made there
        with suppress(EmbeddedError, OSError):
            require_reachable(Path(base), server_user(), "")
            return base
    raise EmbeddedError("no folder for temporary files that all users can enter: set TMPDIR")


class Figure(msgspec.Struct, frozen=True):
    """The median over the rounds, and how far apart they were."""

    median: float
    low: float
    high: float


def figure(values: Sequence[float]) -> Figure:
    return Figure(median(values), min(values), max(values))


class Results(msgspec.Struct, frozen=True):
    """The samples of one competition, by contestant."""

    samples: dict[str, list[Sample]]

    def figure(self, name: str, metric: str) -> Figure | None:
        """None where no round had an answer."""
        found = [one.values[metric] for one in self.samples[name] if metric in one.values]
        return figure(found) if found else None

    def row(
        self,
        title: str,
        unit: str,
        of: str,
        metric: str = "per_s",
        *,
        against: str | None = None,
        target: Target | None = None,
    ) -> Row:
        """A contestant's figure, beside another's of the same competition if so asked.

        Whoever of the two failed: then neither is the ratio what it says.
        """
        mine = self.figure(of, metric)
        other = self.figure(against, metric) if against else None
        played = [*self.samples[of], *(self.samples[against] if against else [])]
        errors = [one for one in played if one.errors]
        ratios = self.ratios(of, against, metric) if against and mine and other else []
        row = Row(
            name=title,
            unit=unit,
            value=mine and round(mine.median, 3),
            low=mine and round(mine.low, 3),
            high=mine and round(mine.high, 3),
            against=against,
            ratio=round(mine.median / other.median, 3) if mine and other and other.median else None,
            errors=sum(one.errors for one in errors),
            note=errors[0].error if errors else UNSET,
            ratio_low=round(min(ratios), 3) if ratios else UNSET,
            ratio_high=round(max(ratios), 3) if ratios else UNSET,
            cdf=self._cdf(of, metric) or UNSET,
        )
        return row if target is None else judged(row, target)

    def ratios(self, of: str, against: str, metric: str) -> list[float]:
        """Of each round: what drifts from one round to the next hits both sides."""
        pairs = zip(self.samples[of], self.samples[against], strict=False)
        found = [(mine.values.get(metric), other.values.get(metric)) for mine, other in pairs]
        return [mine / other for mine, other in found if mine is not None and other]

    def _cdf(self, of: str, metric: str) -> list[tuple[float, float]]:
        """With the row of the 99th percentile, where the load told more of them than two."""
        if not (prefix := PERCENTILE.fullmatch(metric)) or prefix[2] != "99":
            return []
        names = dict.fromkeys(name for one in self.samples[of] for name in one.values)
        told = [one for name in names if (one := PERCENTILE.fullmatch(name))]
        points = [
            (round(found.median, 3), float(one[2]) / 100)
            for one in told
            if one[1] == prefix[1] and (found := self.figure(of, one[0]))
        ]
        return sorted(points, key=itemgetter(1)) if len(points) > len(TOLD) else []


def compete(contestants: Sequence[Contestant], rounds: int) -> Results:
    """Every contestant once a round, every other round backwards: what drifts hits all alike."""
    results = Results({one.name: [] for one in contestants})
    for turn in range(rounds):
        for one in contestants if turn % 2 == 0 else reversed(contestants):
            start = time.monotonic()
            sample = play(one)
            results.samples[one.name].append(sample)
            took = f"({time.monotonic() - start:.0f} s)"
            say(f"round {turn + 1}/{rounds}  {one.name}: {_told(sample)}  {took}")
    return results


def at_once(contestants: Sequence[Contestant]) -> Results:
    """One round of all side by side: for those that wait, and do little else."""
    with ThreadPoolExecutor(len(contestants)) as threads:
        samples = list(threads.map(play, contestants))
    for one, sample in zip(contestants, samples, strict=True):
        say(f"{one.name}: {_told(sample)}")
    return Results({one.name: [it] for one, it in zip(contestants, samples, strict=True)})


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _told(sample: Sample) -> str:
    values = ", ".join(
        f"{metric} {number(value)}"
        for metric, value in sample.values.items()
        if not (found := PERCENTILE.fullmatch(metric)) or found[2] in TOLD
    )
    return values + (f" ({sample.errors} errors: {sample.error})" if sample.errors else "")
