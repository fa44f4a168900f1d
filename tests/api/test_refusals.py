"""What is written of refusals: each, as long as there are few."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from api.refusals import ALL, EACH, MOST, OTHERS, Refusals
from tests.workers.office import until

ANN, BOB = UUID(int=1), UUID(int=2)
WINDOW_S = 0.05


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


def written(logs: list[EventDict]) -> list[EventDict]:
    return [line for line in logs if line["event"] == "access_refused"]


async def left_out(logs: list[EventDict]) -> EventDict:
    async def there() -> list[EventDict]:
        return [line for line in logs if line["event"] == "refusals_left_out"]

    (line,) = await until(there)
    return line


async def test_of_many_a_few_are_written_and_the_others_counted(logs: list[EventDict]) -> None:
    refusals = Refusals(WINDOW_S)
    for _ in range(EACH + 7):
        refusals.note(ANN, "192.0.2.1", "/a", "access.denied")
    refusals.note(BOB, "192.0.2.1", "/a", "access.denied")
    refusals.note(ANN, "192.0.2.1", "/b", "access.denied")
    assert [(line["user"], line["route"]) for line in written(logs)] == [
        *[(str(ANN), "/a")] * EACH,
        (str(BOB), "/a"),
        (str(ANN), "/b"),
    ]
    line = await left_out(logs)
    assert (line["count"], line["most"]) == (7, [{"who": str(ANN), "route": "/a", "count": 7}])
    assert refusals.counted.values == {"/a": EACH + 8, "/b": 1}


async def test_when_the_minute_is_over_lines_are_written_again(logs: list[EventDict]) -> None:
    refusals = Refusals(WINDOW_S)
    for _ in range(EACH + 1):
        refusals.note(ANN, "", "/a", "access.denied")
    await left_out(logs)
    refusals.note(ANN, "", "/a", "access.denied")
    assert len(written(logs)) == EACH + 1


async def test_strangers_are_told_apart_by_their_network(logs: list[EventDict]) -> None:
    refusals = Refusals()
    for number in range(EACH + 1):
        refusals.note(None, f"2001:db8::{number}", "/a", "auth.bad_token")
    refusals.note(None, "2001:db8:0:1::", "/a", "auth.bad_token")
    assert len(written(logs)) == EACH + 1


async def test_a_flood_by_ever_others_is_bounded_in_lines_and_memory(
    logs: list[EventDict],
) -> None:
    refusals, many = Refusals(WINDOW_S), MOST + 50
    for _ in range(many):
        refusals.note(uuid4(), "", "/a", "access.denied")
    assert len(written(logs)) == ALL
    line = await left_out(logs)
    assert line["count"] == many - ALL
    assert line["most"][0] == {"who": OTHERS[0], "route": OTHERS[1], "count": 50}


async def test_what_has_run_out_by_itself_is_no_warning(logs: list[EventDict]) -> None:
    refusals = Refusals()
    refusals.note(ANN, "", "/a", "auth.expired")
    refusals.note(ANN, "", "/a", "auth.signed_out")
    assert [line["log_level"] for line in written(logs)] == ["info", "warning"]
