"""The benchmark of announcements measures what it says."""

import pytest

from bench.contestant import contestant, play
from bench.load.announced import Announced
from infra.settings import Settings

pytestmark = pytest.mark.services


def test_everybody_has_every_announcement(settings: Settings) -> None:
    sample = play(contestant("announced", Announced(settings, people=5, announcements=2)))
    assert sample.errors == 0, sample.error
    assert all(sample.values[name] > 0 for name in ("per_s", "worker s", "projector s"))
    assert sample.values["worker MB"] > 10
