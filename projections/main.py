"""The projector process: every group, or those that are named, each with its own lease."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from functools import partial

from infra.log import configure_logging
from infra.metrics import Metrics
from infra.monitoring.sampling import sampling
from infra.nodes import heartbeat
from infra.process import run
from infra.runtime import open_runtime
from infra.settings import Settings, load_settings
from projections.builders import Builders
from projections.projector import grouped, run_groups
from projections.registry import PROJECTIONS


async def project(names: Sequence[str], settings: Settings) -> None:
    """Run the groups until cancelled. Ready means: each one leads or stands by."""
    groups = [group for group in grouped(PROJECTIONS) if not names or group.name in names]
    leads: dict[str, bool] = {}
    async with open_runtime(settings) as runtime, heartbeat(runtime, "projector") as heart:

        def note(group: str, leader: bool) -> None:
            leads[group] = leader
            heart.detail = {"leads": [name for name, is_leader in leads.items() if is_leader]}
            heart.set("ready")

        mine = [projection for group in groups for projection in group.projections]
        async with sampling(runtime, "projector", Metrics()), asyncio.TaskGroup() as tasks:
            tasks.create_task(run_groups(runtime, groups, note))
            tasks.create_task(Builders(runtime, mine).run())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m projections.main", description=__doc__)
    parser.add_argument("--group", action="append", default=[], help="a group to run; all if none")
    names: list[str] = parser.parse_args().group
    settings = load_settings()
    configure_logging(settings)
    return run(settings, partial(project, names))


if __name__ == "__main__":
    sys.exit(main())
