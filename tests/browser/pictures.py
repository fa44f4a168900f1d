"""README's pictures of the console: a demo with people at work. `make pictures` takes them anew."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
import pytest
from PIL import Image

from api.client.client import Client
from api.seed import PASSWORD, person_id, project_id
from api.seed_data import DOMAIN
from tests.browser.console import Window, open_window
from tests.browser.page import Json
from tests.e2e.running import formula

pytestmark = [pytest.mark.services, pytest.mark.browser, pytest.mark.timeout(600)]

FOLDER = Path(__file__).parent / "pictures"
SIZES: Mapping[str, tuple[int, int]] = {
    "desktop": (1_280, 800),
    "tablet": (820, 1_066),
    "phone": (390, 844),
}
PAIR = (900, 800)  # each of two windows side by side
BETWEEN = 24  # pixels
SETTLED = "await new Promise((done) => setTimeout(done, 700))"
PROJECT = project_id("website")
TASKS = (  # beside those of the demo: title, status, priority, assignee
    ("Search that forgives typos", "in_progress", "high", "barbara"),
    ("Seats on a map of the train", "in_progress", "normal", "susan"),
    ("Tickets in the phone's wallet", "review", "high", "alan"),
    ("Read everything aloud", "review", "normal", "barbara"),
    ("Choose the three languages", "done", "normal", "grace"),
    ("Buy the new domain", "done", "low", "alan"),
)
REMARKS = (
    ("barbara", "Times and seats answer in 90 ms now. Prices next?"),
    ("grace", "Yes. @Alan Turing, hold seats for ten minutes while people pay."),
)
BEGUN = "Times, seats and prices by one call. Errors say what to do next."
WRITTEN = " Seats are held for ten minutes while people pay, in the currency of their own country."
QUESTION = """SELECT p.name AS person, w.name AS project,
       sum(open)::int AS open, sum(urgent)::int AS urgent
FROM workload JOIN people p ON p.id = person
     JOIN (SELECT project AS id, name FROM projects) w ON w.id = project
GROUP BY 1, 2 ORDER BY open DESC, 1 LIMIT 9"""
DRAWING = {"kind": "bars", "x": "person", "y": ["open", "urgent"]}
KEPT = ("Who has what", "Late this week", "Locks that were fought over")


class Studio:
    """Windows of the people of a demo."""

    def __init__(self, url: str, address: str, stack: AsyncExitStack) -> None:
        self._url, self._address, self._stack = url, address, stack

    async def window(self, name: str, path: str, size: tuple[int, int]) -> Window:
        """Signed in by a click, and gone to that page."""
        person = await self._stack.enter_async_context(Client(self._url))
        me = await person.login(f"{name}@{DOMAIN}", PASSWORD)
        window = await open_window(self._stack, self._address, person)
        await window.size(*size)
        await window.page.go("Page.navigate", url=window.base)
        await window.click(me.name, ".demo button")
        await window.sees("globalThis.text?.('.connection').includes('Live')")
        await window.go(path)
        return window


async def seen(window: Window, condition: str, size: tuple[int, int] | None = None) -> Image.Image:
    """How it looks, once that is seen and nothing moves any more."""
    if size is not None:
        await window.size(*size)
    await window.sees(condition)
    await window.run(SETTLED)
    return Image.open(BytesIO(await window.picture())).convert("RGB")


def keep(name: str, picture: Image.Image) -> None:
    FOLDER.mkdir(exist_ok=True)
    picture.save(FOLDER / f"{name}.webp", lossless=True, quality=100, method=6)


async def take(window: Window, name: str, condition: str) -> None:
    for size, pixels in SIZES.items():
        keep(f"{name}-{size}", await seen(window, condition, pixels))


@asynccontextmanager
async def studio(address: str) -> AsyncGenerator[Studio]:
    with formula() as running:
        await asyncio.to_thread(running.up, "--demo")
        colleagues = running.pid("api.demo")
        assert colleagues is not None
        psutil.Process(colleagues).suspend()  # who is in the pictures is up to us
        async with AsyncExitStack() as stack:
            yield Studio(running.url, address, stack)


async def test_pictures(devtools: str) -> None:
    async with studio(devtools) as demo:
        given = await room(demo)
        audrey = await demo.window("audrey", f"time/{PROJECT}?at={given}", SIZES["desktop"])
        await audrey.scheme("dark")
        await audrey.sees("find('Moment')")
        await audrey.go(f"time/{PROJECT}?at={given}&event={given}")
        await take(audrey, "time", "text('.tree').includes('notification')")
        anna = await demo.window("anna", "analyst", SIZES["desktop"])
        for name in KEPT:
            body = {"sql": QUESTION, "drawing": DRAWING}
            await anna.person.rest.put(f"/analytics/queries/{quote(name)}", body)
        asked = urlencode({"name": KEPT[0], "sql": QUESTION, **DRAWING}, doseq=True)
        await anna.go(f"analyst?{asked}")
        await take(anna, "analysis", "document.querySelector('.uplot canvas')?.width > 0")
        otto = await demo.window("otto", "operations/jobs", SIZES["desktop"])
        await otto.scheme("dark")
        await take(otto, "operations", "find('mail_notice', 'a')")


async def room(demo: Studio) -> int:
    """People at work on a board; returns where in the log one of them gave another a task."""
    path = f"projects/{PROJECT}"
    grace = await demo.window("grace", path, SIZES["desktop"])
    task = await prepared(grace.person)
    alan = await demo.window("alan", f"{path}/task/{task['id']}", PAIR)
    await alan.scheme("dark")
    others = [await demo.window(name, path, SIZES["desktop"]) for name in ("barbara", "susan")]
    await others[1].go(f"{path}/task/{await found(grace.person, 'Draw the landing page')}")
    await grace.sees("document.querySelectorAll('.faces li').length === 4")
    given = await found(grace.person, "Seats on a map of the train")
    working = asyncio.create_task(work(alan, *others))
    try:
        await grace.sees("document.querySelectorAll('.cursor').length === 2")
        alans = {"assignee": alan.id}
        answer = await grace.person.rest.put(f"/tasks/{given}/assignee", alans)
        await take(grace, "room", "document.querySelector('.task .dots')")
        await grace.size(*PAIR)
        await grace.go(f"{path}/task/{task['id']}")
        held = "text('.field-note').includes('Alan') || text('.panel').includes('is writing')"
        left, right = await asyncio.gather(seen(grace, held), seen(alan, "find('Close the task')"))
        keep("pair", beside(left, right))
    finally:
        working.cancel()
    return int(answer.body["position"])


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (2 * PAIR[0] + BETWEEN, PAIR[1]), "#8a909b")
    both.paste(left, (0, 0))
    both.paste(right, (PAIR[0] + BETWEEN, 0))
    return both


async def prepared(grace: Client) -> Json:
    """A full board; the task that is written on."""
    for title, status, priority, name in TASKS:
        body = {"title": title, "status": status, "priority": priority}
        body["assignee"] = str(person_id(name))
        await grace.rest.post(f"/projects/{PROJECT}/tasks", body)
    task = await found(grace, "Write the booking API")
    changed = await grace.rest.patch(f"/tasks/{task}", {"description": BEGUN})
    for name, text in REMARKS:
        async with Client(grace.base_url) as author:
            await author.login(f"{name}@{DOMAIN}", PASSWORD)
            mentions = [str(person_id("alan"))] if "@" in text else []
            body = {"body": text, "mentions": mentions}
            changed = await author.rest.post(f"/tasks/{task}/comments", body)
    position = changed.body["position"]
    return (await grace.rest.get(f"/tasks/{task}", min_position=position)).body


async def found(person: Client, title: str) -> str:
    tasks = (await person.rest.get("/tasks", project=PROJECT)).body["items"]
    return next(str(task["id"]) for task in tasks if task["title"] == title)


async def work(alan: Window, barbara: Window, susan: Window) -> None:
    """One writes, one points at what is reviewed, one looks at a task; until cancelled."""
    await alan.focus("Description")
    await alan.press("End", modifiers=2)
    for turn in range(600):
        if turn < len(WRITTEN):
            await alan.write(WRITTEN[turn])
        await barbara.point(690 + turn % 3, 262)
        await susan.point(300 + turn % 3, 275)
        await asyncio.sleep(0.4)
