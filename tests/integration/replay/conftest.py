"""A project that has lived, to be shown again."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from domain.project import ProjectRole
from infra.runtime import Runtime, open_runtime
from tests.integration.replay.past import LATER, Past
from tests.integration.sockets import Live, live_gateway


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    """A node of its own: what REST answers is another's."""
    async with open_runtime(projected.settings) as runtime, live_gateway(runtime) as running:
        yield running


@pytest.fixture
async def past(live: Live) -> Past:
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    room = f"project:{project}"
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    one, two = await live.open(ann), await live.open(bob)
    await two.ask("join", room=room)
    await one.ask("join", room=room, location="board")
    await one.ask("lock", room=room, resource="plan")
    await one.say("cursor", room=room, at={"x": 3})
    await one.say("typing", room=room, where="title", on=True)
    await two.until(lambda frame: frame["op"] == "mo" and frame["type"] == "motion.typing")
    await one.ask("status", status="busy")
    await one.ask("act", room=room, kind="wave", data={"n": 1})
    await one.ask("leave", room=room)
    await two.ask("act", room=room, kind="last")
    await two.until(lambda frame: frame["op"] == "ev" and frame["data"].get("kind") == "last")
    with psycopg.connect(live.runtime.settings.database_url) as db:
        db.execute(
            "UPDATE formula_events SET recorded_at = recorded_at - %s WHERE notification_id <="
            " (SELECT max(notification_id) FROM formula_events WHERE topic LIKE 'project.%%')",
            (LATER,),
        )
    return Past(live, ann, bob, project, [frame for frame in two.seen if frame.get("room") == room])
