"""A worker process with short times, to be killed; it may be told how long it takes to stop."""

import sys

import msgspec

from infra.process import run
from infra.settings import Settings, load_settings
from tests.workers.office import QUICK
from workers.main import run_worker

STOP_S = QUICK.stop_s if len(sys.argv) == 1 else float(sys.argv[1])


async def work(settings: Settings) -> None:
    await run_worker(settings, tuning=msgspec.structs.replace(QUICK, stop_s=STOP_S))


if __name__ == "__main__":
    sys.exit(run(load_settings(), work))
