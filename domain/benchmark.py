"""Benchmarks that are asked for over REST: which, for how long, and what comes of one."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

BENCHMARK_S = 600.0  # that one may take


class BenchmarkSuite(StrEnum):
    """What `python -m bench` measures, by name."""

    GUARD = "guard"
    API = "api"
    APPEND = "append"
    PROJECTIONS = "projections"
    JOBS = "jobs"
    REALTIME = "realtime"
    FILES = "files"
    CLAIMS = "claims"


class BenchmarkResult(msgspec.Struct, frozen=True):
    """As `python -m bench NAME --json` answers, and keeps it: two of them can be compared by it."""

    suite: str
    environment: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    took_s: float
