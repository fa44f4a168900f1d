"""Preferences: by which ways each kind of notice reaches a person, and when their digest comes."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TypeAlias, assert_never
from uuid import UUID, uuid5
from zoneinfo import available_timezones

import msgspec
from msgspec import UNSET, UnsetType

from domain.errors import Invalid
from domain.kernel import Command, Decider, Event
from domain.notification import Mailed

LAST_HOUR = 23
MORNING = 8


class Notice(StrEnum):
    """What people are told of; a notification's kind."""

    ASSIGNED = "task.assigned"
    MENTIONED = "task.mentioned"
    ANNOUNCEMENT = "announcement"
    REPORT = "report"
    WEEKLY_REPORT = "report.weekly"
    FILE_REFUSED = "file.refused"
    ALERT = "alert"


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ways of one kind of notice. What is critical is shown in the app whatever this says."""

    in_app: bool = True
    email: Mailed = Mailed.AT_ONCE


class DigestTime(msgspec.Struct, frozen=True):
    """When what is collected is mailed. `zone`: an IANA name; none: the setting TIME_ZONE."""

    hour: int = MORNING
    zone: str = ""


# Nothing is daily by itself: the digest looks only at those who have said when it should come.
DEFAULTS: Mapping[Notice, Channels] = {
    Notice.ASSIGNED: Channels(),
    Notice.MENTIONED: Channels(),
    Notice.ANNOUNCEMENT: Channels(),
    Notice.REPORT: Channels(),
    Notice.WEEKLY_REPORT: Channels(),
    Notice.FILE_REFUSED: Channels(),
    Notice.ALERT: Channels(),
}


class ChannelsSet(Event, frozen=True, kw_only=True, tag="preferences.channels_set.v1"):
    user: UUID
    notice: Notice
    in_app: bool
    email: Mailed


class DigestTimeSet(Event, frozen=True, kw_only=True, tag="preferences.digest_time_set.v1"):
    user: UUID
    hour: int
    zone: str


class SetPreferences(Command, frozen=True, kw_only=True, tag="set_preferences"):
    """What is left out stays as it is."""

    user: UUID
    channels: Mapping[Notice, Channels] = {}
    hour: int | UnsetType = UNSET
    zone: str | UnsetType = UNSET


class Unsubscribe(Command, frozen=True, kw_only=True, tag="unsubscribe"):
    """No more mail of that kind; None: no more digests."""

    user: UUID
    notice: Notice | None


PreferencesEvent: TypeAlias = ChannelsSet | DigestTimeSet
PreferencesCommand: TypeAlias = SetPreferences | Unsubscribe


class Preferences(msgspec.Struct, frozen=True):
    chosen: Mapping[Notice, Channels] = {}
    digest: DigestTime | None = None  # None: never said

    @property
    def time(self) -> DigestTime:
        return self.digest or DigestTime()

    def of(self, notice: Notice) -> Channels:
        return self.chosen.get(notice, DEFAULTS[notice])

    def by_mail(self, mailed: Mailed) -> tuple[Notice, ...]:
        """The kinds that come by mail like that."""
        return tuple(notice for notice in Notice if self.of(notice).email is mailed)


def preferences_stream(user: UUID) -> UUID:
    return uuid5(user, "preferences")


def decide(command: PreferencesCommand, preferences: Preferences) -> list[PreferencesEvent]:
    match command:
        case SetPreferences(user=user, channels=channels):
            time = _time(command, preferences.time)
            asked: list[PreferencesEvent] = []
            if time != preferences.digest:
                asked.append(DigestTimeSet(user=user, hour=time.hour, zone=time.zone))
            return asked + [
                _set(user, notice, channels[notice])
                for notice in Notice
                if channels.get(notice, preferences.of(notice)) != preferences.of(notice)
            ]
        case Unsubscribe(user=user, notice=notice):
            unwanted = preferences.by_mail(Mailed.DAILY) if notice is None else (notice,)
            return [
                _set(user, one, msgspec.structs.replace(preferences.of(one), email=Mailed.NEVER))
                for one in unwanted
                if preferences.of(one).email is not Mailed.NEVER
            ]
        case _:
            assert_never(command)


def _set(user: UUID, notice: Notice, channels: Channels) -> ChannelsSet:
    return ChannelsSet(user=user, notice=notice, in_app=channels.in_app, email=channels.email)


def _time(command: SetPreferences, was: DigestTime) -> DigestTime:
    """Raises Invalid."""
    hour = was.hour if command.hour is UNSET else command.hour
    zone = was.zone if command.zone is UNSET else command.zone
    if not 0 <= hour <= LAST_HOUR:
        raise Invalid("preferences.bad_hour", hour=hour, most=LAST_HOUR)
    if zone and zone not in _zones():
        raise Invalid("preferences.bad_zone", zone=zone[:60])
    return DigestTime(hour, zone)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def evolve(preferences: Preferences, event: PreferencesEvent) -> Preferences:
    match event:
        case ChannelsSet(notice=notice, in_app=in_app, email=email):
            chosen = {**preferences.chosen, notice: Channels(in_app, email)}
            return msgspec.structs.replace(preferences, chosen=chosen)
        case DigestTimeSet(hour=hour, zone=zone):
            return msgspec.structs.replace(preferences, digest=DigestTime(hour, zone))
        case _:
            assert_never(event)


PREFERENCES = Decider(
    name="preferences",
    initial=Preferences(),
    decide=decide,
    evolve=evolve,
    events=(ChannelsSet, DigestTimeSet),
)
