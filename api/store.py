"""/store: the event log as operators see it."""

from litestar import Router, get
from litestar.di import NamedDependency

from api.cached import keep, kept
from domain.access import Action
from infra.eventstore.stats import Stats, stats
from infra.runtime import Runtime

LIFE_S = 10  # of an answer: it reads samples of whole tables


@get("/stats", opt={"action": Action.HEALTH_READ})
async def show(runtime: NamedDependency[Runtime]) -> Stats:
    """How much there is, how fast it grows, who is behind; at most ten seconds ago."""
    found = await kept(runtime, "store", Stats)
    if found is not None:
        return found
    return await keep(runtime, "store", await stats(runtime.settings.database_url), LIFE_S)


store = Router("/store", route_handlers=[show], tags=["operations"])
