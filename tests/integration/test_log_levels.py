"""Levels that operators set while everything runs."""

import logging
from uuid import UUID

import pytest

from domain.log_level import LevelSet, log_level_stream
from tests.infra.until import until
from tests.integration.conftest import Api

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("log levels")]

LOGGER = "formula.tests"


def level() -> int:
    return logging.getLogger(LOGGER).level


async def test_a_level_comes_with_the_heartbeat_and_goes_by_itself(api: Api) -> None:
    otto = await api.as_("operator")
    [one] = await otto.do(
        "PUT", "/realtime/logging", {"logger": LOGGER, "level": "debug", "seconds": 60}
    )
    assert (one["logger"], one["level"]) == (LOGGER, "debug")
    await until(lambda: level() == logging.DEBUG)
    assert await otto.get("/realtime/logging") == [one]
    await otto.do("PUT", "/realtime/logging", {"logger": LOGGER, "level": "error", "seconds": 3})
    await until(lambda: level() == logging.ERROR)
    await until(lambda: level() == logging.NOTSET)
    assert await otto.get("/realtime/logging") == []
    stored = await api.runtime.store.read_stream(log_level_stream(LOGGER))
    assert [one.event for one in stored] == [
        LevelSet(logger=LOGGER, level="debug", seconds=60),
        LevelSet(logger=LOGGER, level="error", seconds=3),
    ]
    assert stored[0].meta.actor == UUID(otto.id)


async def test_it_can_be_taken_back_at_once(api: Api) -> None:
    otto = await api.as_("operator")
    wanted = {"logger": LOGGER, "level": "debug"}
    await otto.do("PUT", "/realtime/logging", wanted)
    await until(lambda: level() == logging.DEBUG)
    assert await otto.do("PUT", "/realtime/logging", {**wanted, "seconds": 0}) == []
    await until(lambda: level() == logging.NOTSET)


async def test_nonsense_is_refused_and_changes_nothing(api: Api) -> None:
    otto, ann = await api.as_("operator"), await api.as_("member")
    path = "/realtime/logging"
    assert await otto.refused("PUT", path, {"level": "loud"}) == "422 log_level.bad_level"
    wrong = {"logger": "a b", "level": "info"}
    assert await otto.refused("PUT", path, wrong) == "422 log_level.bad_logger"
    assert await ann.refused("PUT", path, {"level": "debug"}) == "403 access.denied"
    assert await otto.get(path) == []
