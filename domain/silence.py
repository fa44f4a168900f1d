"""Silence: for how long nobody is notified of some alerts. They fire and resolve all the same.

All are one stream: they are few, and whoever notifies must see them as they are now.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec

from domain.alert import MAX_NAME
from domain.alert_events import Severity
from domain.errors import Invalid, NotFound, WrongState
from domain.kernel import Command, Decider, Event
from domain.text import checked

MAX_REASON = 500  # characters
MAX_SILENCES = 1_000  # at a time
LONGEST = timedelta(days=365)

SILENCES_STREAM = UUID("0f6c6f0c-6d2a-5f0e-8b57-54b3f6a0b6d3")


class SilencePlaced(Event, frozen=True, kw_only=True, tag="silence.placed.v1"):
    """Of a rule, or of all; of a severity, or of both."""

    silence: UUID
    rule: str = ""
    severity: Severity | None = None
    reason: str
    until: datetime
    at: datetime


class SilenceEnded(Event, frozen=True, kw_only=True, tag="silence.ended.v1"):
    """Before its time."""

    silence: UUID
    at: datetime


class PlaceSilence(Command, frozen=True, kw_only=True, tag="place_silence"):
    silence: UUID
    rule: str = ""
    severity: Severity | None = None
    reason: str
    until: datetime
    at: datetime


class EndSilence(Command, frozen=True, kw_only=True, tag="end_silence"):
    silence: UUID
    at: datetime


SilenceEvent: TypeAlias = SilencePlaced | SilenceEnded
SilenceCommand: TypeAlias = PlaceSilence | EndSilence


class Silences(msgspec.Struct, frozen=True):
    """Those that were not ended, by id."""

    standing: Mapping[UUID, SilencePlaced] = {}

    def hold(self, rule: str, severity: Severity, at: datetime) -> bool:
        """Whether nobody is to be notified of such an alert."""
        return any(
            one.rule in ("", rule) and one.severity in (None, severity) and at < one.until
            for one in self.standing.values()
        )


def decide(command: SilenceCommand, silences: Silences) -> list[SilenceEvent]:
    match command:
        case PlaceSilence():
            return _place(command, silences)
        case EndSilence(silence=silence, at=at):
            found = silences.standing.get(silence)
            if found is None or found.until <= at:
                raise NotFound("silence.not_found", silence=silence)
            return [SilenceEnded(silence=silence, at=at)]
        case _:
            assert_never(command)


def _place(command: PlaceSilence, silences: Silences) -> list[SilenceEvent]:
    at, until = command.at, command.until
    reason = checked(command.reason, "silence.bad_reason", MAX_REASON)
    rule = checked(command.rule, "silence.bad_rule", MAX_NAME, least=0)
    if until.tzinfo is None:
        raise Invalid("silence.no_time_zone")
    if not timedelta() < until - at <= LONGEST:
        raise Invalid("silence.bad_until", most_days=LONGEST.days)
    if command.silence in silences.standing:
        raise WrongState("silence.exists", silence=command.silence)
    if sum(one.until > at for one in silences.standing.values()) >= MAX_SILENCES:
        raise WrongState("silence.too_many", most=MAX_SILENCES)
    return [
        SilencePlaced(
            silence=command.silence,
            rule=rule,
            severity=command.severity,
            reason=reason,
            until=until,
            at=at,
        )
    ]


def evolve(silences: Silences, event: SilenceEvent) -> Silences:
    """Those whose time is over go when another comes."""
    match event:
        case SilencePlaced(silence=new, at=at):
            kept = {key: one for key, one in silences.standing.items() if one.until > at}
            return Silences({**kept, new: event})
        case SilenceEnded(silence=gone):
            kept = {key: one for key, one in silences.standing.items() if key != gone}
            return Silences(kept)
        case _:
            assert_never(event)


SILENCE = Decider(
    name="silence",
    initial=Silences(),
    decide=decide,
    evolve=evolve,
    events=(SilencePlaced, SilenceEnded),
)
