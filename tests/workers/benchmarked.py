"""Programs in a benchmark's place: what a job makes of theirs."""

import sys

import msgspec

from domain.benchmark import BenchmarkResult
from domain.job_args import RunBenchmark
from tests.bench.results import BESIDE, report
from workers.model import MAINTENANCE, Context, Job
from workers.run_benchmark import measured

RESULT = msgspec.json.encode(msgspec.structs.replace(report(BESIDE), took_s=3.0)).decode()


def says(*lines: str, then: str = "") -> tuple[str, ...]:
    """A program that prints these lines."""
    script = "; ".join([*(f"print({line!r}, flush=True)" for line in lines), then])
    return (sys.executable, "-c", script)


def instead(*argv: str) -> Job[RunBenchmark]:
    """The job with another program in the benchmark's place."""

    async def run(context: Context, _args: RunBenchmark) -> BenchmarkResult:
        return await measured(context, argv, 60.0)

    return Job("run_benchmark", MAINTENANCE, RunBenchmark, run)
