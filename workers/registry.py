"""All jobs: one line for each."""

from typing import Any

from workers import (
    announce,
    clean_up,
    hand_over_files,
    mail_digest,
    mail_notice,
    notify_assigned,
    notify_mentioned,
    optimise,
    ping,
    refresh_statistics,
    report_activity,
    report_audit,
    report_performance,
    report_project,
    roll_up_metrics,
    send_digests,
    send_weekly_reports,
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
    send_weekly_reports.JOB,
    snapshot_day.JOB,
    roll_up_metrics.JOB,
    clean_up.JOB,
    hand_over_files.JOB,
    refresh_statistics.JOB,
    optimise.JOB,
    ping.JOB,
    report_project.JOB,
    report_activity.JOB,
    report_audit.JOB,
    report_performance.JOB,
)
