"""All jobs: one line for each."""

from typing import Any

from workers import (
    announce,
    mail_assigned,
    mail_mentioned,
    notify_assigned,
    notify_mentioned,
    ping,
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
    ping.JOB,
)
