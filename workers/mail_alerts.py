"""Tell operators and admins of critical alerts: one notice for all of a group that came together.

By mail where they prefer it so; in the app in any case.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from uuid import UUID, uuid5

from domain.alert_events import AlertFired, AlertWorsened, Severity
from domain.kernel import Recorded
from domain.notification import MAX_BODY, MAX_TITLE, SendNotification
from domain.preferences import Notice
from domain.silence import SILENCE, SILENCES_STREAM, Silences
from domain.user import Role, UserStatus
from infra.db import Connection
from projections.alerts import AlertRow, list_alerts
from projections.preferences import channels_of
from projections.read import reading
from projections.users import list_users
from workers.model import NOTIFICATIONS, Args, Context, Job
from workers.notices import notify_all

WAIT_S = 10  # for others of the group
MOST = 1_000  # alerts, and people of a role
TOLD = (Role.OPERATOR, Role.ADMIN)


class MailAlerts(Args, frozen=True):
    """The group's critical alerts of the `WAIT_S` that end `at`."""

    group: str
    at: datetime

    @property
    def unique(self) -> str:
        return f"{self.group} {self.at.isoformat()}"

    @property
    def run_at(self) -> datetime:
        return self.at


def react(recorded: Recorded[AlertFired | AlertWorsened]) -> list[MailAlerts]:
    event = recorded.event
    if isinstance(event, AlertFired) and event.severity is not Severity.CRITICAL:
        return []
    ends = (floor(event.at.timestamp() / WAIT_S) + 1) * WAIT_S
    return [MailAlerts(event.group, datetime.fromtimestamp(ends, UTC))]


async def run(context: Context, args: MailAlerts) -> None:
    silences = (await context.runtime.load(SILENCE, SILENCES_STREAM)).state
    async with reading(context.runtime, min_position=context.position) as db:
        found = await list_alerts(db, severity=Severity.CRITICAL, group=args.group, limit=MOST)
        alerts = worth_telling(found, silences, args.at)
        people = await _people(db) if alerts else []
        channels = await channels_of(db, Notice.ALERT, people)
    now = context.runtime.now()
    await notify_all(
        context,
        {
            uuid5(context.job, user.hex): SendNotification(
                user=user,
                kind=Notice.ALERT,
                title=f"Critical: {', '.join(one.rule for one in alerts)}"[:MAX_TITLE],
                body="\n".join(line(one) for one in alerts)[:MAX_BODY],
                level="critical",
                at=now,
                in_app=ways.in_app,
                email=ways.email,
            )
            for user, ways in channels.items()
        },
    )


def worth_telling(found: Sequence[AlertRow], silences: Silences, at: datetime) -> list[AlertRow]:
    """All that nobody looks after or has silenced, where one of them is new."""
    since = at - timedelta(seconds=WAIT_S)
    open_ones = [
        one
        for one in found
        if one.acknowledged_at is None and not silences.hold(one.rule, Severity.CRITICAL, at)
    ]
    new = any(one.severity_since and one.severity_since >= since for one in open_ones)
    return open_ones if new else []


def line(alert: AlertRow) -> str:
    value, threshold = (number(one, alert.unit) for one in (alert.value, alert.threshold))
    return f"{alert.rule}: {value}, critical from {threshold} ({alert.about})"


def number(value: float | None, unit: str) -> str:
    if value is None:
        return "no data"
    match unit:
        case "share":
            return f"{value:.1%}"
        case "seconds":
            return f"{value:.3g} s"
        case _:
            return f"{value:g}"


async def _people(db: Connection) -> list[UUID]:
    found = [await list_users(db, role=role, status=UserStatus.ACTIVE, limit=MOST) for role in TOLD]
    return [user.id for users in found for user in users]


JOB = Job(
    "mail_alerts", NOTIFICATIONS, MailAlerts, run, (AlertFired, AlertWorsened), react, priority=0
)
