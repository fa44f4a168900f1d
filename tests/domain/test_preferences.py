from contextlib import suppress
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.kernel import fold
from domain.notification import Mailed
from domain.preferences import (
    DEFAULTS,
    PREFERENCES,
    Channels,
    ChannelsSet,
    DigestTimeSet,
    Notice,
    PreferencesCommand,
    PreferencesEvent,
    SetPreferences,
    Unsubscribe,
    preferences_stream,
)
from tests.domain.strategies import commands, events
from tests.dsl import check, refused

ANN, BOB = UUID(int=1), UUID(int=2)
MORNING = DigestTimeSet(user=ANN, hour=8, zone="")
DAILY = ChannelsSet(user=ANN, notice=Notice.MENTIONED, in_app=True, email=Mailed.DAILY)
HIDDEN = ChannelsSet(user=ANN, notice=Notice.REPORT, in_app=False, email=Mailed.DAILY)


def choose(notice: Notice, channels: Channels, *, hour: int = 8, zone: str = "") -> SetPreferences:
    return SetPreferences(user=ANN, channels={notice: channels}, hour=hour, zone=zone)


def test_what_is_chosen_is_kept_and_the_rest_stays() -> None:
    check(
        PREFERENCES,
        given=[HIDDEN],
        when=choose(Notice.MENTIONED, Channels(email=Mailed.DAILY), hour=17, zone="Asia/Kolkata"),
        then=[DigestTimeSet(user=ANN, hour=17, zone="Asia/Kolkata"), DAILY],
    )


def test_who_chooses_the_same_again_changes_nothing() -> None:
    again = choose(Notice.MENTIONED, Channels(email=Mailed.DAILY))
    check(PREFERENCES, given=[MORNING, DAILY], when=again, then=[])


@pytest.mark.parametrize("hour", [-1, 24])
def test_a_day_has_24_hours(hour: int) -> None:
    wrong = SetPreferences(user=ANN, hour=hour)
    check(PREFERENCES, given=[], when=wrong, then=refused("preferences.bad_hour"))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/berlin", "../etc/passwd", "UTC ", "\x00"])
def test_a_zone_is_one_that_iana_knows(zone: str) -> None:
    wrong = SetPreferences(user=ANN, zone=zone)
    check(PREFERENCES, given=[], when=wrong, then=refused("preferences.bad_zone"))


def test_who_wants_no_more_mail_of_a_kind_still_sees_it_in_the_app() -> None:
    stop = Unsubscribe(user=ANN, notice=Notice.ASSIGNED)
    stopped = ChannelsSet(user=ANN, notice=Notice.ASSIGNED, in_app=True, email=Mailed.NEVER)
    check(PREFERENCES, given=[], when=stop, then=[stopped])
    check(PREFERENCES, given=[stopped], when=stop, then=[])


def test_who_wants_no_more_digests_keeps_what_comes_at_once() -> None:
    stop = Unsubscribe(user=ANN, notice=None)
    check(
        PREFERENCES,
        given=[MORNING, DAILY, HIDDEN],
        when=stop,
        then=[
            ChannelsSet(user=ANN, notice=Notice.MENTIONED, in_app=True, email=Mailed.NEVER),
            ChannelsSet(user=ANN, notice=Notice.REPORT, in_app=False, email=Mailed.NEVER),
        ],
    )
    check(PREFERENCES, given=[], when=stop, then=[])


def test_every_kind_has_a_default_and_none_waits_for_a_digest() -> None:
    """A digest is looked for among those only who have said when it should come."""
    assert set(DEFAULTS) == set(Notice)
    assert all(channels.email is not Mailed.DAILY for channels in DEFAULTS.values())


def test_each_person_has_a_stream_of_their_own() -> None:
    assert len({ANN, BOB, preferences_stream(ANN), preferences_stream(BOB)}) == 4


@given(st.lists(commands(PREFERENCES), max_size=12))
def test_whatever_is_daily_has_a_time(asked: list[PreferencesCommand]) -> None:
    state = PREFERENCES.initial
    for command in asked:
        with suppress(Refused):
            state = reduce(PREFERENCES.evolve, PREFERENCES.decide(command, state), state)
        assert state.digest is not None or not state.by_mail(Mailed.DAILY)


@given(st.lists(events(PREFERENCES), max_size=8), st.sampled_from(Notice))
def test_nobody_who_unsubscribed_is_mailed(before: list[PreferencesEvent], notice: Notice) -> None:
    """Neither of that kind nor, by the digest's link, of any that was in it."""
    state = fold(PREFERENCES, before)
    for command in (Unsubscribe(user=ANN, notice=notice), Unsubscribe(user=ANN, notice=None)):
        state = reduce(PREFERENCES.evolve, PREFERENCES.decide(command, state), state)
    assert state.of(notice).email is Mailed.NEVER
    assert state.by_mail(Mailed.DAILY) == ()
    assert state.by_mail(Mailed.AT_ONCE) == tuple(
        one for one in fold(PREFERENCES, before).by_mail(Mailed.AT_ONCE) if one is not notice
    )
