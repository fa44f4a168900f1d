"""Measure how fast this installation's machine is, in a process of its own, for an admin."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from psycopg.rows import scalar_row

from domain.benchmark import BENCHMARK_S, BenchmarkResult, BenchmarkSuite
from domain.errors import WrongState
from domain.job_args import RunBenchmark
from infra.db import leading
from infra.processes import ProcessSpec, signal_group, spawn
from infra.runtime import Runtime
from infra.settings import Settings, child_environment
from workers.model import MAINTENANCE, Context, Job

NEEDED = ("bench", "hdrh")  # modules: an installation without the extra `dev` has not all of them
LEASE = "benchmark"
LEASE_S = 3.0  # that one who just ends may still hold it
END_S = 20.0  # for servers to stop cleanly
POLL_S = 1.0
MAX_SAID = 500  # characters
EXPECTED_S = 120.0  # where nobody knows better: progress is a guess

BEFORE = """
SELECT (result->>'took_s')::float8 FROM formula_jobs
WHERE name = 'run_benchmark' AND state = 'done' AND result->>'suite' = %s
ORDER BY made_at DESC LIMIT 1
"""


async def run(context: Context, args: RunBenchmark) -> BenchmarkResult:
    """Refused, and so not tried again, for all that another attempt would not mend."""
    if lacking := missing(NEEDED):
        raise WrongState(
            "benchmark.not_installed", missing=", ".join(lacking), install="formula[dev]"
        )
    async with alone(context.runtime.settings.database_url):
        expected_s = await _took_before(context.runtime, args.suite)
        return await measured(context, benchmark(args.suite), expected_s)


def missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if find_spec(module) is None]


def benchmark(suite: BenchmarkSuite) -> tuple[str, ...]:
    """The guard is short, and made to be compared; of the others this is but a look."""
    quick = () if suite is BenchmarkSuite.GUARD else ("--quick",)
    return (sys.executable, "-m", "bench", suite.value, *quick, "--json")


@asynccontextmanager
async def alone(url: str) -> AsyncGenerator[None]:
    """Two at once would measure each other. Raises WrongState."""
    lease = leading(url, LEASE)
    try:
        async with asyncio.timeout(LEASE_S):
            await lease.__aenter__()
    except TimeoutError:
        raise WrongState("benchmark.running") from None
    try:
        yield
    finally:
        await lease.__aexit__(None, None, None)


async def measured(context: Context, argv: tuple[str, ...], expected_s: float) -> BenchmarkResult:
    with TemporaryDirectory(prefix="formula-benchmark-") as folder:
        said = Path(folder) / "said"
        process = await spawn(
            ProcessSpec(
                name="benchmark",
                argv=argv,
                env=child_environment(Settings()),  # none of our servers and secrets
                cwd=Path.cwd(),
                death_signal=signal.SIGTERM,  # it stops its servers
                log_file=said,
            )
        )
        try:
            async with asyncio.timeout(BENCHMARK_S):
                await _follow(context, process, said, expected_s)
        except TimeoutError:
            raise WrongState("benchmark.too_long", most_s=BENCHMARK_S) from None
        finally:
            await _ended(process)
        return answered(said.read_text(errors="replace"), process.returncode)


async def _follow(
    context: Context, process: asyncio.subprocess.Process, said: Path, expected_s: float
) -> None:
    """Its lines are the job's log; how far it is is told by how long it took before."""
    loop, ending, told = asyncio.get_running_loop(), asyncio.ensure_future(process.wait()), 0
    begun = loop.time()
    while not ending.done():
        await asyncio.wait([ending], timeout=POLL_S)
        lines = _lines(said)
        for line in lines[told:]:
            await context.log(line)
        told = len(lines)
        passed = min(loop.time() - begun, expected_s * 0.99)
        await context.report(int(passed * 1_000), int(expected_s * 1_000))


def _lines(said: Path) -> list[str]:
    """Those that are whole; the result is none of them."""
    whole = said.read_text(errors="replace").rpartition("\n")[0]
    return [line.strip()[:MAX_SAID] for line in whole.splitlines() if not line.startswith("{")]


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Whatever became of the job, nothing of it is left."""
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)
    signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def answered(said: str, code: int | None) -> BenchmarkResult:
    """Its last line. Raises WrongState with its last words where that is no result."""
    lines = said.strip().splitlines()
    try:
        return msgspec.json.decode(lines[-1] if lines else "", type=BenchmarkResult)
    except msgspec.DecodeError:
        last = lines[-1][:MAX_SAID] if lines else ""
        raise WrongState("benchmark.failed", exit_code=code, said=last) from None


async def _took_before(runtime: Runtime, suite: BenchmarkSuite) -> float:
    async with runtime.db.connection() as db, db.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(BEFORE, (suite.value,))
        return await cursor.fetchone() or EXPECTED_S


JOB = Job("run_benchmark", MAINTENANCE, RunBenchmark, run, timeout_s=BENCHMARK_S + 60.0)
