"""All jobs: one line for each."""

from typing import Any

from workers import (
    announce,
    mail_digest,
    mail_notice,
    notify_assigned,
    notify_mentioned,
    ping,
    send_digests,
    snapshot_day,
)
from workers.model import Job

JOBS: tuple[Job[Any], ...] = (
    mail_notice.JOB,
    mail_notice.ANNOUNCED,
    mail_digest.JOB,
    notify_assigned.JOB,
    notify_mentioned.JOB,
    announce.JOB,
    send_digests.JOB,
    snapshot_day.JOB,
    ping.JOB,
)
