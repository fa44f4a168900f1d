"""rooms: which durable events people in a room see as they happen, and whose stay ends.

Participation is not among them: members and locks come with every snapshot and as presence.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

from domain.activity import ActivityRecorded
from domain.alert import ALERT
from domain.alert_events import AlertEvent
from domain.document import DOCUMENT, DocumentEvent
from domain.entry import ApiKeyRevoked, UserSignedOut, UserSignedOutEverywhere
from domain.errors import Invalid
from domain.file import FILE, FileEvent, FileInspected, Verdict
from domain.kernel import Recorded
from domain.lock import LOCK, LockEvent, LockGranted
from domain.notification import NotificationSent
from domain.project import PROJECT, MemberRemoved, MemberRoleChanged, ProjectEvent
from domain.queue import QUEUE, QueueEvent
from domain.reaction import REACTION, ReactionEvent
from domain.rooms import OPS, Room, RoomKind
from domain.silence import SILENCE, SilenceEvent
from domain.task import TASK, TaskEvent
from domain.upkeep import UPKEEP, Checked, UpkeepEvent
from domain.user import UserDeactivated, UserRoleChanged
from infra.bus import Kind, user_room
from projections.feed import ROOM_HEADS, ROOM_LOG
from projections.frames import public_type
from projections.model import Projection, Push, Write

FOR_OPERATORS = UPKEEP.events + QUEUE.events + ALERT.events + SILENCE.events
NAMES = 50_000  # rooms whose names are kept: writing an id down is what costs most here

RoomEvent: TypeAlias = (
    ProjectEvent
    | TaskEvent
    | ReactionEvent
    | DocumentEvent
    | FileEvent
    | LockEvent
    | ActivityRecorded
    | NotificationSent
    | UpkeepEvent
    | QueueEvent
    | AlertEvent
    | SilenceEvent
    | UserDeactivated
    | UserRoleChanged
    | UserSignedOut
    | UserSignedOutEverywhere
    | ApiKeyRevoked
)

RIGHTS = (
    UserDeactivated,
    UserRoleChanged,
    UserSignedOut,
    UserSignedOutEverywhere,
    ApiKeyRevoked,
)


def project(batch: Sequence[Recorded[RoomEvent]]) -> list[Write]:
    return [push for recorded in batch for push in _pushes(recorded)]


def _pushes(recorded: Recorded[RoomEvent]) -> list[Push]:
    event = recorded.event
    if isinstance(event, RIGHTS):
        return [Push(user_room(recorded.stream), Kind.RIGHTS, recorded, recorded.stream)]
    name = public_type(type(event))
    pushes = [Push(room, Kind.EVENT, recorded, event, type=name) for room in _rooms(recorded)]
    if isinstance(event, MemberRemoved | MemberRoleChanged):
        # After the event: the one concerned still sees it. Gateways look at their rights anew.
        pushes.append(Push(user_room(event.user), Kind.RIGHTS, recorded, recorded.stream))
    if isinstance(event, LockGranted):
        # Who waited may have asked in a room that does not show it; one's own everybody is in.
        pushes.append(Push(user_room(event.holder), Kind.GRANT, recorded, event, type=name))
    return pushes


def _rooms(recorded: Recorded[RoomEvent]) -> list[str]:
    """Where the event is seen; no room twice, or its chain would hold one position twice."""
    event, project = recorded.event, recorded.meta.project_id
    in_project = [] if project is None else [_name(RoomKind.PROJECT, project)]
    match event:
        case ActivityRecorded(room=room):
            return [room]
        case NotificationSent(user=user, mail_only=mail_only):
            return [] if mail_only else [user_room(user)]
        case Checked(differences=differences):
            return [OPS] if differences else []
        case _ if isinstance(event, FOR_OPERATORS):
            return [OPS]
        case _ if isinstance(event, LOCK.events):
            return in_project + _room_of(event.resource)
        case _ if isinstance(event, TASK.events):
            return [_name(RoomKind.TASK, recorded.stream), *in_project]
        case _ if isinstance(event, REACTION.events):
            return [_name(RoomKind.TASK, event.task), *in_project]
        case _ if isinstance(event, DOCUMENT.events):
            return [_name(RoomKind.DOCUMENT, recorded.stream), *in_project]
        case _ if isinstance(event, FILE.events):
            return in_project + _warned(event)
        case _:
            return [_name(RoomKind.PROJECT, recorded.stream)]


def _warned(event: FileEvent) -> list[str]:
    """Whom an infected file concerns beside its project."""
    infected = isinstance(event, FileInspected) and event.verdict is Verdict.INFECTED
    return [OPS] if infected else []


@lru_cache(NAMES)
def _name(kind: RoomKind, key: UUID) -> str:
    return str(Room(kind, key))


def _room_of(resource: str) -> list[str]:
    """A lock's resource is the client's own text; some name a task or document, or its field."""
    try:
        room = Room.parse(resource.partition("/")[0])
    except Invalid:
        return []
    return [str(room)] if room.kind in (RoomKind.TASK, RoomKind.DOCUMENT) else []


PROJECTION = Projection(
    name="rooms",
    group="live",
    version=7,
    tables=(ROOM_LOG, ROOM_HEADS),
    events=(
        *PROJECT.events,
        *TASK.events,
        *REACTION.events,
        *DOCUMENT.events,
        *FILE.events,
        *LOCK.events,
        ActivityRecorded,
        NotificationSent,
        *UPKEEP.events,
        *QUEUE.events,
        *ALERT.events,
        *SILENCE.events,
        *RIGHTS,
    ),
    project=project,
    by_stream=False,  # a room's frames are chained
)
