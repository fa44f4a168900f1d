"""All deciders and all events: one line for each aggregate."""

from collections.abc import Mapping
from typing import Any

from domain.activity import ACTIVITY
from domain.alert import ALERT
from domain.announcement import ANNOUNCEMENT
from domain.audit import AUDIT
from domain.client import CLIENT
from domain.digest import DIGEST
from domain.document import DOCUMENT
from domain.email import EMAIL
from domain.file import FILE
from domain.hold import HOLD
from domain.jobs import JOB
from domain.kernel import Decider, Event
from domain.lock import LOCK
from domain.log_level import LOG_LEVEL
from domain.login import LOGIN
from domain.motion import MOTION
from domain.motion_summary import MOTION_SUMMARY
from domain.notification import NOTIFICATION
from domain.participation import PARTICIPATION
from domain.preferences import PREFERENCES
from domain.project import PROJECT
from domain.query import QUERY
from domain.queue import QUEUE
from domain.reaction import REACTION
from domain.receipt import RECEIPT
from domain.silence import SILENCE
from domain.task import TASK
from domain.upkeep import UPKEEP
from domain.user import USER

DECIDERS: tuple[Decider[Any, Any, Any], ...] = (
    USER,
    LOGIN,
    EMAIL,
    CLIENT,
    PROJECT,
    TASK,
    REACTION,
    DOCUMENT,
    FILE,
    PARTICIPATION,
    RECEIPT,
    ACTIVITY,
    LOCK,
    NOTIFICATION,
    PREFERENCES,
    DIGEST,
    ANNOUNCEMENT,
    AUDIT,
    HOLD,
    QUERY,
    MOTION_SUMMARY,
    UPKEEP,
    LOG_LEVEL,
    JOB,
    QUEUE,
    ALERT,
    SILENCE,
)


def tag_of(event: type[Event]) -> str:
    """An event's name in the store."""
    return str(event.__struct_config__.tag)


EVENTS: Mapping[str, type[Event]] = {
    tag_of(event): event for decider in DECIDERS for event in decider.events
}
MOTION_EVENTS: Mapping[str, type[Event]] = {tag_of(event): event for event in MOTION}
