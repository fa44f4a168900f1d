"""What jobs can be asked for, each with its arguments, and who may ask.

Another job is one Struct here, and its place in AnyArgs and ASKING.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.access import Action
from domain.audit import AuditFilter, checked_filter
from domain.benchmark import BenchmarkSuite
from domain.errors import Invalid

FIRST_YEAR, LAST_YEAR = 2000, 2200  # of a day or a time: all time zones can tell it
MAX_PING_S = 3_600
MAX_DAYS = 366  # of a report
MAX_HOURS = 168  # of a report: jobs that are over are kept as long


class QueueName(StrEnum):
    EMAIL = "email"
    REPORTS = "reports"
    FILES = "files"
    NOTIFICATIONS = "notifications"
    ANALYTICS = "analytics"
    MAINTENANCE = "maintenance"


class JobArgs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job is told. Its tag is the job's type, for ever."""


class Ping(JobArgs, frozen=True, kw_only=True, tag="ping"):
    """Nothing but a sign of life of a queue, `seconds` long."""

    queue: QueueName = QueueName.MAINTENANCE
    seconds: int = 0


class SnapshotDay(JobArgs, frozen=True, kw_only=True, tag="snapshot_day"):
    """How each project stood when a day (UTC) was over."""

    day: date


class RollUpMetrics(JobArgs, frozen=True, kw_only=True, tag="roll_up_metrics"):
    """What was done on a day (UTC), in each project and in all."""

    day: date


class CleanUp(JobArgs, frozen=True, kw_only=True, tag="clean_up"):
    """Removes what was kept for long enough."""


class RefreshStatistics(JobArgs, frozen=True, kw_only=True, tag="refresh_statistics"):
    """What Postgres plans queries by, where rows have changed."""


class Optimise(JobArgs, frozen=True, kw_only=True, tag="optimise"):
    """Looks through the indexes, and builds anew those that are mostly empty."""


class HandOverFiles(JobArgs, frozen=True, kw_only=True, tag="hand_over_files"):
    """Moves files to S3 that were kept on the local disk while it could not be reached."""


class PurgeFiles(JobArgs, frozen=True, kw_only=True, tag="purge_files"):
    """Throws away what was deleted long enough ago, and bytes that no file has."""


class ImageFormat(StrEnum):
    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"


class ConvertFile(JobArgs, frozen=True, kw_only=True, tag="convert_file"):
    """A picture, or a PDF's first page, in another format: one more rendition of that version.

    `number` 0: of the newest that may be had; `width`: at most, in pixels; `quality`: of 100.
    """

    project: UUID
    file: UUID
    to: ImageFormat
    number: int = 0
    width: int | None = None
    quality: int | None = None


class SendDigests(JobArgs, frozen=True, kw_only=True, tag="send_digests"):
    """The digests whose time came in the hour that ends `at`."""

    at: datetime


class SendWeeklyReports(JobArgs, frozen=True, kw_only=True, tag="send_weekly_reports"):
    """Of the seven days (UTC) that end with `last`, to the managers of active projects."""

    last: date


class MailPasswordReset(JobArgs, frozen=True, kw_only=True, tag="mail_password_reset"):
    """A link by which a person sets another password; made when the mail goes, and kept nowhere."""

    user: UUID


class MailEmailVerification(JobArgs, frozen=True, kw_only=True, tag="mail_email_verification"):
    """A link by which a person says that the address is theirs."""

    user: UUID


class ReportFormat(StrEnum):
    PDF = "pdf"  # figures, charts, and the first of the rows
    CSV = "csv"  # all rows


class ReportProject(JobArgs, frozen=True, kw_only=True, tag="report_project"):
    """How a project went from the first to the last of these days (UTC), both in it.

    `weekly`: it comes by itself, and is told as what one can do without.
    """

    project: UUID
    first: date
    last: date
    format: ReportFormat = ReportFormat.PDF
    weekly: bool = False


class ReportActivity(JobArgs, frozen=True, kw_only=True, tag="report_activity"):
    """What was done on these days (UTC), both in it: in a project, or by a person anywhere."""

    project: UUID | None = None
    person: UUID | None = None
    first: date
    last: date
    format: ReportFormat = ReportFormat.PDF


class ReportAudit(JobArgs, frozen=True, kw_only=True, tag="report_audit"):
    """The events that the audit finds."""

    filter: AuditFilter = AuditFilter()
    format: ReportFormat = ReportFormat.CSV


class ReportPerformance(JobArgs, frozen=True, kw_only=True, tag="report_performance"):
    """How the system did in the last `hours`."""

    hours: int = 24
    format: ReportFormat = ReportFormat.PDF


class RunBenchmark(JobArgs, frozen=True, kw_only=True, tag="run_benchmark"):
    """Measures the machine, on servers of its own beside those that serve."""

    suite: BenchmarkSuite = BenchmarkSuite.GUARD


class VerifyLog(JobArgs, frozen=True, kw_only=True, tag="verify_log"):
    """Reads the whole log above a position and holds it against its rules."""

    after: int = 0


class VerifyReadModel(JobArgs, frozen=True, kw_only=True, tag="verify_read_model"):
    """Builds a read model anew in a shadow, and compares it row by row with the one that serves."""

    projection: str


AnyArgs: TypeAlias = (
    Ping
    | SnapshotDay
    | RollUpMetrics
    | CleanUp
    | RefreshStatistics
    | Optimise
    | HandOverFiles
    | PurgeFiles
    | ConvertFile
    | SendDigests
    | SendWeeklyReports
    | MailPasswordReset
    | MailEmailVerification
    | ReportProject
    | ReportActivity
    | ReportAudit
    | ReportPerformance
    | RunBenchmark
    | VerifyLog
    | VerifyReadModel
)

# Who may ask for what: the action that the one table of access must allow.
ASKING: Mapping[type[AnyArgs], Action] = {
    Ping: Action.JOBS_MANAGE,
    SnapshotDay: Action.JOBS_MANAGE,
    RollUpMetrics: Action.JOBS_MANAGE,
    CleanUp: Action.JOBS_MANAGE,
    RefreshStatistics: Action.JOBS_MANAGE,
    Optimise: Action.JOBS_MANAGE,
    HandOverFiles: Action.JOBS_MANAGE,
    PurgeFiles: Action.JOBS_MANAGE,
    ConvertFile: Action.FILE_WRITE,
    SendDigests: Action.JOBS_MANAGE,
    SendWeeklyReports: Action.JOBS_MANAGE,
    MailPasswordReset: Action.JOBS_MANAGE,
    MailEmailVerification: Action.JOBS_MANAGE,
    ReportProject: Action.REPORT_PROJECT,
    ReportActivity: Action.REPORT_ACTIVITY,
    ReportAudit: Action.AUDIT_EXPORT,
    ReportPerformance: Action.REPORT_PERFORMANCE,
    RunBenchmark: Action.BENCHMARK_RUN,
    VerifyLog: Action.LOG_READ,
    VerifyReadModel: Action.PROJECTIONS_MANAGE,
}


def project_of(args: AnyArgs) -> UUID | None:
    """The project that the job is about: who asks needs the right in it."""
    return args.project if isinstance(args, ReportProject | ReportActivity | ConvertFile) else None


def person_of(args: AnyArgs) -> UUID | None:
    """The person that the job is about: oneself may ask where others may not."""
    return args.person if isinstance(args, ReportActivity) else None


def check_args(args: AnyArgs) -> None:
    """Raises Invalid."""
    match args:
        case Ping(seconds=seconds) if not 0 <= seconds <= MAX_PING_S:
            raise Invalid("job.bad_seconds", seconds=seconds, most=MAX_PING_S)
        case ReportProject(first=first, last=last):
            _check_days(first, last)
        case SendWeeklyReports(last=last) if not FIRST_YEAR <= last.year <= LAST_YEAR:
            raise Invalid("report.bad_last", first=FIRST_YEAR, last=LAST_YEAR)
        case ReportActivity(first=first, last=last):
            _check_days(first, last)
            if (args.project is None) == (args.person is None):
                raise Invalid("report.project_or_person")
        case ReportAudit(filter=wanted):
            checked_filter(wanted)
            if any(at is not None and at.tzinfo is None for at in (wanted.since, wanted.until)):
                raise Invalid("job.no_time_zone")
        case ReportPerformance(hours=hours) if not 0 < hours <= MAX_HOURS:
            raise Invalid("report.bad_hours", hours=hours, most=MAX_HOURS)
        case VerifyLog(after=after) if not 0 <= after < 2**63:
            raise Invalid("job.bad_after", after=str(after))
        case _:
            return


def _check_days(first: date, last: date) -> None:
    days = (last - first).days + 1
    if not 0 < days <= MAX_DAYS or last == date.max:
        raise Invalid("report.bad_days", days=days, most=MAX_DAYS)
