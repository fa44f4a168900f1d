"""A worker process with short times, to be killed."""

import sys

from infra.process import run
from infra.settings import Settings, load_settings
from tests.workers.office import QUICK
from workers.main import run_worker


async def work(settings: Settings) -> None:
    await run_worker(settings, tuning=QUICK)


if __name__ == "__main__":
    sys.exit(run(load_settings(), work))
