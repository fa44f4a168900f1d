"""All jobs: one line for each."""

from typing import Any

from workers import (
    announce,
    mail_assigned,
    mail_mentioned,
    mail_report,
    notify_assigned,
    notify_mentioned,
    ping,
    report_activity,
    report_audit,
    report_performance,
    report_project,
    snapshot_day,
)
from workers.model import Job

JOBS: tuple[Job[Any], ...] = (
    mail_assigned.JOB,
    mail_mentioned.JOB,
    mail_report.JOB,
    notify_assigned.JOB,
    notify_mentioned.JOB,
    announce.JOB,
    snapshot_day.JOB,
    ping.JOB,
    report_project.JOB,
    report_activity.JOB,
    report_audit.JOB,
    report_performance.JOB,
)
