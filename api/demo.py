"""Simulated colleagues: they come and go through the public interfaces, for as long as they run."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from secrets import SystemRandom
from typing import Any

import structlog

from api.client.client import Client
from api.client.errors import ClientError, Refused
from api.client.live import Live
from api.client.room import Room
from api.seed import PASSWORD, person_id, project_id
from api.seed_data import DOMAIN
from infra.instance import base_url
from infra.log import configure_logging
from infra.process import run
from infra.settings import Settings, load_settings

PAUSE_S = (0.3, 1.3)  # between two things one person does: four people make about five a second
AGAIN_S = (1.0, 5.0)  # before somebody whose connection failed for good comes back
WORK_S = (1.0, 4.0)  # on something that is locked
AWAY_S = (0.5, 20.0)  # of somebody whose train goes through a tunnel

COLLEAGUES = {
    "alan": ("website", "loyalty"),
    "barbara": ("website", "house"),
    "radia": ("archive", "loyalty"),
    "susan": ("website", "archive"),
}
REMARKS = (
    "I had a look: fine with me.",
    "This took longer than I thought.",
    "Can we talk about this one tomorrow?",
    "Half of it is done.",
    "The numbers look better now.",
)
STATUSES = ("online", "away", "busy", "in a meeting", "back soon")

chance = SystemRandom()
log = structlog.get_logger()


class Colleague:
    """One person in the rooms of one project, at work."""

    def __init__(self, client: Client, live: Live, room: Room, tasks: list[dict[str, Any]]) -> None:
        self._client, self._live, self._room, self._tasks = client, live, room, tasks

    async def work(self) -> None:
        """One thing after the other, until the connection ends for good."""
        habits: dict[Callable[[], Awaitable[object]], int] = {
            self._point: 60,
            self._look: 20,
            self._type: 10,
            self._lock_and_change: 4,
            self._say_status: 3,
            self._comment: 1,
            self._vanish: 1,
        }
        while True:
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            (habit,) = chance.choices([*habits], [*habits.values()])
            try:
                await habit()
            except Refused as error:
                log.info("refused", code=error.code)

    async def _point(self) -> None:
        at = {"x": chance.randrange(1_600), "y": chance.randrange(900)}
        await self._live.cursor(self._room, at)

    async def _look(self) -> None:
        await self._live.act(self._room, "view.opened", {"task": self._task()["id"]})

    async def _type(self) -> None:
        where = f"task:{self._task()['id']}"
        await self._live.typing(self._room, where, on=True)
        await asyncio.sleep(chance.uniform(*WORK_S))
        await self._live.typing(self._room, where, on=False)

    async def _lock_and_change(self) -> None:
        task = self._task()
        held = await self._live.lock(self._room, f"task:{task['id']}")
        try:
            await asyncio.sleep(chance.uniform(*WORK_S))
            status = chance.choice(("todo", "in_progress", "review", "done"))
            path = f"/tasks/{task['id']}/status"
            await self._client.rest.put(path, {"status": status}, lock=held.token)
        finally:
            await self._live.unlock(self._room, held.resource, held.token)

    async def _say_status(self) -> None:
        await self._live.status(chance.choice(STATUSES))

    async def _comment(self) -> None:
        path = f"/tasks/{self._task()['id']}/comments"
        await self._client.rest.post(path, {"body": chance.choice(REMARKS)})

    async def _vanish(self) -> None:
        self._live.drop(chance.uniform(*AWAY_S))
        await self._live.connected()

    def _task(self) -> dict[str, Any]:
        return chance.choice(self._tasks)


async def colleague(url: str, name: str, projects: tuple[str, ...]) -> None:
    """Somebody who signs in again and again, each time on one of their projects."""
    while True:
        try:
            async with Client(url) as client:
                await client.login(f"{name}@{DOMAIN}", PASSWORD)
                project = project_id(chance.choice(projects))
                tasks = (await client.rest.get("/tasks", project=project)).body["items"]
                async with client.connect(device=f"{name}'s desk") as live:
                    room = await live.join(f"project:{project}", follow=False)
                    log.info("came", name=name, user=person_id(name), project=project)
                    await Colleague(client, live, room, tasks).work()
        except ClientError as error:
            log.warning("away", name=name, error=str(error))
        await asyncio.sleep(chance.uniform(*AGAIN_S))


async def demo(settings: Settings) -> None:
    """All of them, until cancelled."""
    async with asyncio.TaskGroup() as group:
        for name, projects in COLLEAGUES.items():
            group.create_task(colleague(base_url(settings), name, projects), name=name)


def main() -> int:
    settings = load_settings()
    configure_logging(settings)
    return run(settings, demo)


if __name__ == "__main__":
    sys.exit(main())
