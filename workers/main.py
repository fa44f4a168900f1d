"""The worker and scheduler processes: python -m workers.main worker|scheduler."""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from domain.job_args import QueueName
from infra.jobs.board import ended_by_queue
from infra.jobs.queues import queues_of
from infra.jobs.working import Times
from infra.log import observe
from infra.mail import Mailer
from infra.metrics import Gauges, Labels, Metric, Metrics, Totals
from infra.monitoring.rules import load_rules
from infra.monitoring.sampling import sampling
from infra.nodes import ALERTS_LATE_S, heartbeat
from infra.process import run
from infra.runtime import open_runtime
from infra.settings import Settings, load_settings
from infra.webhooks import hook_of
from workers.alerting import overseeing
from workers.consumer import consume
from workers.listening import listen
from workers.model import Job
from workers.outside import outsiders
from workers.owners import Owners
from workers.registry import JOBS
from workers.runner import Runner, Tuning
from workers.scheduler import ALERT, Dues, Tick, repeat, schedule


async def run_worker(
    settings: Settings,
    only: Sequence[str] = (),
    tuning: Tuning | None = None,
    kinds: Sequence[Job[Any]] = JOBS,
) -> None:
    """Work until cancelled, at `only` some queues or at all. Ready means: each is listened to."""
    queues = [queue for queue in queues_of(settings) if not only or queue.name in only]
    tuning = tuning or Tuning(times_of(settings))
    listens = dict.fromkeys((queue.name for queue in queues), False)
    leads = {"jobs": False}
    hook_of(settings)  # raises SettingsError
    async with open_runtime(settings) as runtime, heartbeat(runtime, "worker") as heart:

        def beat() -> None:
            """Once ready it stays so: without Redis the queues are looked at by themselves."""
            heart.detail = {"listens": listens, "leads": leads["jobs"]}
            if all(listens.values()):
                heart.set("ready")

        def note_queue(name: str, listening: bool) -> None:
            listens[name] = listening
            beat()

        def note_lead(leading: bool) -> None:
            leads["jobs"] = leading
            beat()

        watch = overseeing(runtime, lambda: leads["jobs"])
        oversee = Tick("oversee", settings.metrics_every_s, watch)
        async with (
            Mailer(settings, runtime.now) as mail,
            Owners(runtime) as owners,
            Runner(runtime, mail, kinds, queues, tuning, owners) as runner,
            sampling(runtime, "worker", metrics_of(runner.ended)),
            asyncio.TaskGroup() as tasks,
        ):
            heart.report = lambda: {"ended": ended_by_queue(runner.ended)}
            tasks.create_task(listen(runtime, runner, queues, note_queue))
            tasks.create_task(consume(runtime, kinds, tuning, note_lead, owners, runner.take))
            tasks.create_task(repeat(oversee, Dues()))


def metrics_of(ended: Mapping[tuple[str, str], int]) -> Metrics:
    metrics = Metrics()

    def attempts() -> list[Metric]:
        values: dict[Labels, float] = {
            (("queue", queue), ("state", state)): count for (queue, state), count in ended.items()
        }
        return [Totals("formula_jobs_ended_total", "attempts, by the state they left", values)]

    metrics.include(attempts)
    return metrics


def times_of(settings: Settings) -> Times:
    return Times(
        lease_s=settings.job_lease_s,
        retry_base_s=settings.job_retry_base_s,
        retry_most_s=settings.job_retry_most_s,
    )


async def run_scheduler(settings: Settings) -> None:
    """Keep the timers until cancelled. Ready means: it leads or stands by. Raises SettingsError."""
    load_rules(settings)  # also where it stands by
    async with open_runtime(settings) as runtime, heartbeat(runtime, "scheduler") as heart:
        dues = Dues()

        def note(leads: bool) -> None:
            heart.detail = {"leads": leads}
            heart.set("ready")

        heart.report = lambda: {ALERTS_LATE_S: dues.late_s(ALERT)}
        async with (
            runtime.services.running(*outsiders(settings)),
            sampling(runtime, "scheduler", metrics_of_rules(dues)),
        ):
            await schedule(runtime, note, dues=dues)


def metrics_of_rules(dues: Dues) -> Metrics:
    metrics = Metrics()

    def late() -> list[Metric]:
        late_s = dues.late_s(ALERT)
        values: dict[Labels, float] = {} if late_s is None else {(): late_s}
        about = "since when somebody should have looked at the rules of alerts"
        return [Gauges("formula_alerts_late_seconds", about, values)]

    metrics.include(late)
    return metrics


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.main", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    roles.add_parser("scheduler", help="lock expiry, lost nodes, housekeeping")
    worker = roles.add_parser("worker", help="jobs of the queues")
    names = [name.value for name in QueueName]
    worker.add_argument(
        "--queue", action="append", default=[], choices=names, help="all queues if none is named"
    )
    options = parser.parse_args()
    settings = load_settings()
    observe(settings, options.role)
    if options.role == "scheduler":
        return run(settings, run_scheduler)
    return run(settings, partial(run_worker, only=options.queue))


if __name__ == "__main__":
    sys.exit(main())
