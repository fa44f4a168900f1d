"""Activity: what clients do in a room that only they give a meaning to. No rule looks back."""

import re
from functools import lru_cache
from uuid import UUID, uuid5

import msgspec

from domain.errors import Invalid
from domain.kernel import Command, Decider, Event
from domain.rooms import Room
from domain.text import checked_json

KIND = re.compile(r"[a-z0-9_.-]{1,60}")
MAX_DATA = 8 * 1024  # bytes


class ActivityRecorded(Event, frozen=True, kw_only=True, tag="activity.recorded.v1"):
    room: str
    kind: str
    data: msgspec.Raw  # the client's own object


class RecordActivity(Command, frozen=True, kw_only=True, tag="record_activity"):
    room: str
    kind: str
    data: msgspec.Raw


class Activity(msgspec.Struct, frozen=True):
    """Nothing is remembered: no rule depends on what was done before."""


@lru_cache(maxsize=10_000)
def activity_stream(user: UUID, room: str) -> UUID:
    """Of what a person does in a room.

    The same after a reconnect, so that an act sent again is known as done.
    """
    return uuid5(user, f"activity {room}")


def decide(command: RecordActivity, _activity: Activity) -> list[ActivityRecorded]:
    if KIND.fullmatch(command.kind) is None:
        raise Invalid("activity.bad_kind", kind=command.kind[:60])
    data = checked_json(command.data, "activity", MAX_DATA)
    Room.parse(command.room)
    return [ActivityRecorded(room=command.room, kind=command.kind, data=data)]


def evolve(activity: Activity, _event: ActivityRecorded) -> Activity:
    return activity


ACTIVITY = Decider(
    name="activity",
    initial=Activity(),
    decide=decide,
    evolve=evolve,
    events=(ActivityRecorded,),
)
