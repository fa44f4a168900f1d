"""What happens to alerts, and what they go by: see alert.py."""

from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Literal, TypeAlias

import msgspec

from domain.kernel import Event


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    RESOLVED = "resolved"
    PENDING = "pending"  # a threshold is reached, not yet for long enough
    FIRING = "firing"
    RECOVERING = "recovering"  # all is well, not yet for long enough


class Watch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an alert goes by: at or above a threshold for `for_s` it fires; below `recover_at` of
    it for `keep_s` it is over. `no_data`: a figure that is missing is as the worst, or as none.
    """

    rule: str
    group: str = ""
    about: str = ""
    unit: str = ""
    warning: float | None = None
    critical: float | None = None
    for_s: float = 0.0
    keep_s: float = 0.0
    recover_at: float = 0.9
    no_data: Literal["ignore", "fire"] = "ignore"

    def threshold(self, severity: Severity | None) -> float | None:
        """None also where a missing figure is what fires."""
        return self.critical if severity is Severity.CRITICAL else self.warning

    def level(self, value: float | None, share: float = 1.0) -> Severity | None:
        """The worst whose threshold, or that share of it, the value reaches."""
        if value is None or not isfinite(value):
            mild = self.critical is None and self.warning is not None
            worst = Severity.WARNING if mild else Severity.CRITICAL
            return worst if self.no_data == "fire" else None
        for severity in (Severity.CRITICAL, Severity.WARNING):
            threshold = self.threshold(severity)
            if threshold is not None and value >= threshold * share:
                return severity
        return None


# Events: `value` None: there was no figure; `state`: how the alert stands then.


class AlertPending(Event, frozen=True, kw_only=True, tag="alert.pending.v1"):
    """The threshold is reached. `anew`: again, for nobody had looked when it was due to fire."""

    rule: str
    group: str = ""
    about: str = ""
    unit: str = ""
    severity: Severity
    value: float | None
    threshold: float | None
    state: AlertState
    anew: bool = False
    at: datetime


class AlertCancelled(Event, frozen=True, kw_only=True, tag="alert.cancelled.v1"):
    """What was pending went away before it fired; `left`: what still is."""

    rule: str
    severity: Severity
    left: Severity | None = None
    value: float | None
    state: AlertState
    at: datetime


class AlertFired(Event, frozen=True, kw_only=True, tag="alert.fired.v1"):
    """`pending`: what else has been reached, not yet for long enough."""

    rule: str
    group: str = ""
    severity: Severity
    pending: Severity | None = None
    value: float | None
    threshold: float | None
    at: datetime


class AlertWorsened(Event, frozen=True, kw_only=True, tag="alert.worsened.v1"):
    """From a warning to critical."""

    rule: str
    group: str = ""
    value: float | None
    threshold: float | None
    at: datetime


class AlertRecovering(Event, frozen=True, kw_only=True, tag="alert.recovering.v1"):
    """Below what keeps its severity up; `left`: what the value still is."""

    rule: str
    severity: Severity
    left: Severity | None = None
    value: float | None
    state: AlertState
    at: datetime


class AlertRelapsed(Event, frozen=True, kw_only=True, tag="alert.relapsed.v1"):
    """It was recovering, and is as it was."""

    rule: str
    severity: Severity
    value: float | None
    at: datetime


class AlertEased(Event, frozen=True, kw_only=True, tag="alert.eased.v1"):
    """From critical to a warning."""

    rule: str
    value: float | None
    state: AlertState
    at: datetime


class AlertResolved(Event, frozen=True, kw_only=True, tag="alert.resolved.v1"):
    """`withdrawn`: there is no such rule any more."""

    rule: str
    severity: Severity
    value: float | None
    at: datetime
    withdrawn: bool = False


class AlertAcknowledged(Event, frozen=True, kw_only=True, tag="alert.acknowledged.v1"):
    """Somebody looks after it; until it is resolved."""

    rule: str
    note: str = ""
    at: datetime


AlertEvent: TypeAlias = (
    AlertPending
    | AlertCancelled
    | AlertFired
    | AlertWorsened
    | AlertRecovering
    | AlertRelapsed
    | AlertEased
    | AlertResolved
    | AlertAcknowledged
)
