"""The check at night: one read model, once, and what it found is in the log."""

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.upkeep import Checked
from infra.runtime import Runtime
from projections.registry import PROJECTIONS
from tests.clocks import showing
from workers.nightly import NightlyCheck, turn_of

pytestmark = pytest.mark.services

NIGHT = datetime(2030, 1, 1, 3, 30, tzinfo=UTC)


def test_every_read_model_has_its_turn() -> None:
    days = [date(2030, 1, 1) + timedelta(days=n) for n in range(len(PROJECTIONS))]
    assert {turn_of(day) for day in days} == {one.name for one in PROJECTIONS if one.tables}


async def test_it_checks_once_a_night_and_puts_on_record_what_it_found(projected: Runtime) -> None:
    night = showing(projected, lambda: NIGHT)
    check = NightlyCheck(night, NIGHT.hour)
    await NightlyCheck(night, NIGHT.hour + 1)(0.0)  # not its hour
    for _ in range(2):
        await check(0.0)
    async with projected.db.connection() as db:
        await db.execute("UPDATE formula_events SET recorded_at = %s", (NIGHT,))
    await NightlyCheck(night, NIGHT.hour)(0.0)  # of a scheduler that came later that night
    found = await projected.store.read(0, 1_000, types=["upkeep.checked.v1"])
    [event] = [one.event for one in found]
    assert isinstance(event, Checked)
    assert (event.projection, event.differences) == (turn_of(NIGHT.date()), 0)
