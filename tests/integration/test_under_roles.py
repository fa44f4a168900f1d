"""What the processes do as the roles that they have in production, of which none is the owner."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.runtime import Runtime
from infra.settings import Settings
from projections.builders import Builders
from projections.registry import PROJECTIONS
from tests.integration.conftest import Api, Json, Person
from tests.integration.test_recovering import mailed, reset
from tests.logins import divided
from tests.workers.office import until, working
from workers.scheduler import ticks

pytestmark = pytest.mark.services


@pytest.fixture
async def both(settings: Settings) -> AsyncIterator[tuple[Runtime, Runtime]]:
    async with divided(settings) as both:
        yield both


@pytest.fixture
def projected(both: tuple[Runtime, Runtime]) -> Runtime:
    """The API's."""
    return both[0]


@pytest.fixture
def others(both: tuple[Runtime, Runtime]) -> Runtime:
    """Of projectors, workers and schedulers."""
    return both[1]


async def test_who_has_lost_the_password_is_mailed(api: Api, others: Runtime) -> None:
    ann = await api.as_("member")
    async with working(others.settings):
        assert (await api.post("/auth/password/forgot", {"email": ann.email})).status_code == 202
        token = await mailed(api, ann.email)
    assert (await reset(api, token)).status_code == 200


async def test_every_tick_of_the_scheduler_does_its_work(api: Api, others: Runtime) -> None:
    await api.as_("member")
    for tick in ticks(others):
        await tick.run(0.0)


HELD_BACK = """
INSERT INTO formula_dead_letters (projection, generation, position, stream, error)
SELECT projection, schema, %s, gen_random_uuid(), 'held back' FROM formula_generations
WHERE projection = 'clients' AND state = 'serving' RETURNING generation
"""
WHAT_IS_ASKED = "SELECT asked FROM formula_dead_letters WHERE position = %s"


async def test_operators_look_after_read_models(api: Api, others: Runtime) -> None:
    """What they ask by REST the API notes, and the others' role does."""
    boss, otto = await api.as_("manager"), await api.as_("operator")
    await boss.do("POST", "/clients", {"name": "Acme"})
    path, at = "/projections/clients", boss.position
    async with others.db.connection() as db:
        cursor = await db.execute(HELD_BACK, (at,))
        [(first,)] = await cursor.fetchall()
        given_up = (await otto.do("POST", f"{path}/rebuild"))["generation"]
        assert await otto.refused("POST", f"{path}/rebuild") == "409 projection.building"
        for what, body in (("retry", None), ("skip", {"reason": "in a test"})):
            assert (await otto("POST", f"{path}/letters/{at}/{what}", body)).status_code == 202
            assert await (await db.execute(WHAT_IS_ASKED, (at,))).fetchall() == [(what,)]
    building = asyncio.create_task(Builders(others, PROJECTIONS).run())

    async def built() -> bool:
        """And what was given up for it is gone."""
        states = {one["schema"]: one["state"] for one in await generations(otto)}
        return given_up not in states and sorted(states.values()) == ["retired", "serving"]

    await until(built)
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)
    assert await boss.get("/clients") == {"items": [], "next": None}, "what was skipped"
    back = await otto.do("POST", f"{path}/rollback")
    assert back["generation"] == first


async def generations(otto: Person) -> list[Json]:
    return await otto.get("/projections/clients/generations")
