"""All jobs: one line for each."""

from typing import Any

from workers import (
    announce,
    clean_up,
    mail_assigned,
    mail_mentioned,
    notify_assigned,
    notify_mentioned,
    optimise,
    ping,
    refresh_statistics,
    roll_up_metrics,
    snapshot_day,
)
from workers.model import Job

JOBS: tuple[Job[Any], ...] = (
    mail_assigned.JOB,
    mail_mentioned.JOB,
    notify_assigned.JOB,
    notify_mentioned.JOB,
    announce.JOB,
    snapshot_day.JOB,
    roll_up_metrics.JOB,
    clean_up.JOB,
    refresh_statistics.JOB,
    optimise.JOB,
    ping.JOB,
)
