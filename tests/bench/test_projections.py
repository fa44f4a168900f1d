"""The benchmark of the projections measures what it says."""

import pytest

from bench.contestant import contestant, play
from bench.fill import fill
from bench.load.project import Projects
from bench.load.rebuild import Rebuilds
from infra.settings import Settings

pytestmark = pytest.mark.services


def test_a_group_comes_to_the_end_of_a_log_and_a_read_model_is_built_anew(
    settings: Settings,
) -> None:
    fill(settings.database_url, 500)
    first = play(contestant("audit", Projects(settings, "audit", 500)))
    again = play(contestant("audit", Projects(settings, "audit", 500)))
    built = play(contestant("audit", Rebuilds(settings, "audit", 500)))
    for sample in (first, again, built):
        assert sample.errors == 0, sample.error
        assert sample.values["per_s"] > 0
