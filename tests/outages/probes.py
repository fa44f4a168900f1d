"""One way to ask for each row of the table; each says in a few words what came of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import uuid4

import httpx

from tests.integration.sockets import Json, Socket
from tests.outages.world import EMAIL, PASSWORD, SCRAPER, World

API = "/api/v1"
FILES = f"{API}/realtime/files"
TEXT = b"What the lift weighs, and why it rests on Fridays.\n"
SOON_S, PATIENCE_S = 3.0, 0.05
MAIL_S = 20.0  # by way of an event, a notice and two jobs


class Visit:
    """What is asked with, and was before: sockets, all but one in the room; a file in S3."""

    def __init__(self, world: World, sockets: Sequence[Socket], link: str) -> None:
        self.world, self.link = world, link
        self.pings, self.acts, self.says, self.hears, self.joins = sockets
        self.room = f"project:{world.project}"


Probe = Callable[[Visit], Awaitable[str]]


def said(answer: httpx.Response) -> str:
    if answer.is_success:
        return str(answer.status_code)
    assert "Retry-After" in answer.headers, answer.text
    return f"{answer.status_code} {answer.json()['code']}"


async def alive(visit: Visit) -> str:
    get = visit.world.http.get
    one, two = await get("/livez"), await get("/startupz")
    assert one.status_code == two.status_code
    return said(one)


async def ready(visit: Visit) -> str:
    answer = await visit.world.ready()
    found = answer.json()
    lacks = {name: found[name] for name in ("missing", "degraded") if found[name]}
    told = [word for name, names in lacks.items() for word in (name, *names)]
    return " ".join([str(answer.status_code), *told])


async def scraped(visit: Visit) -> str:
    headers = {"Authorization": f"Bearer {SCRAPER}"}
    answer = await visit.world.http.get("/metrics", headers=headers)
    assert "formula_gateway_connections" in answer.text
    return said(answer)


async def login(visit: Visit) -> str:
    body = {"email": EMAIL, "password": PASSWORD}
    return said(await visit.world.http.post(f"{API}/auth/login", json=body))


async def query(visit: Visit) -> str:
    return said(await visit.world.http.get(f"{API}/projects"))


async def query_at(visit: Visit) -> str:
    """Once it shows what was written just before."""
    made = await visit.world.http.post(f"{API}/projects", json={"name": "Q"})
    if not made.is_success:
        return said(made)
    wanted = {"min_position": made.headers["X-Position"]}
    return said(await visit.world.http.get(f"{API}/projects", params=wanted))


async def command(visit: Visit) -> str:
    """The same again, by its key: once more than it was answered it is not done."""
    key = {"Idempotency-Key": str(uuid4())}
    return said(await visit.world.http.post(f"{API}/projects", json={"name": "R"}, headers=key))


async def upload(visit: Visit) -> str:
    wanted = {"project": str(visit.world.project), "name": "lift.txt"}
    return said(await visit.world.http.post(f"{FILES}/upload", params=wanted, content=TEXT))


async def download(visit: Visit) -> str:
    answer = await visit.world.http.get(visit.link)
    if answer.is_success:
        assert answer.content == TEXT
    return said(answer)


async def _frame(socket: Socket, op: str, **fields: object) -> str:
    answer = await socket.ask(op, **fields)
    if answer["op"] == "err":
        assert answer["retry_after"] > 0
        return f"err {answer['code']}"
    return answer["op"]


async def ping(visit: Visit) -> str:
    await visit.pings.send({"op": "ping", "t": 1})
    return (await visit.pings.until(lambda frame: frame["op"] == "pong"))["op"]


async def act(visit: Visit) -> str:
    return await _frame(visit.acts, "act", room=visit.room, kind="n")


async def join(visit: Visit) -> str:
    """Of a room that one is not in; left at once, so that it can be asked again."""
    answer = await _frame(visit.joins, "join", room="ops")
    if answer == "joined":
        await visit.joins.ask("leave", room="ops")
    return answer


async def hears(visit: Visit) -> str:
    """One of what another does."""
    kind = uuid4().hex

    def is_it(frame: Json) -> bool:
        return frame["op"] == "ev" and kind in str(frame)

    await visit.says.say("act", room=visit.room, kind=kind)
    try:
        async with asyncio.timeout(SOON_S):
            await visit.hears.until(is_it)
    except TimeoutError:
        return "waits"
    return "comes"


async def job(visit: Visit) -> str:
    """Asked for now; while that cannot be, it waits with whoever asks."""
    asked = await visit.world.http.post(f"{API}/realtime/jobs", json={"args": {"type": "ping"}})
    if not asked.is_success:
        assert said(asked) == "503 store.unavailable"
        return "waits"
    path = f"{API}/realtime/jobs/{asked.json()['id']}"
    async with asyncio.timeout(SOON_S * 3):
        while True:
            row = await visit.world.http.get(path, params={"min_position": 0})
            if row.is_success and row.json()["state"] == "done":
                return "done"
            await asyncio.sleep(PATIENCE_S)


async def mail(visit: Visit) -> str:
    """To Bob, who is given a task."""
    http, world, before = visit.world.http, visit.world, len(visit.world.mailbox.received)
    tasks = f"{API}/projects/{world.project}/tasks"
    made = await http.post(tasks, json={"title": "Draw"})
    if not made.is_success:
        return "waits"
    task = made.json()["id"]
    await http.put(f"{API}/tasks/{task}/assignee", json={"assignee": str(world.bob)})
    async with asyncio.timeout(MAIL_S):
        while True:
            if len(world.mailbox.received) > before:
                return "sent"
            if any(one["attempts"] for one in await mails(world)):
                return "tried again"
            await asyncio.sleep(PATIENCE_S)


async def mails(world: World) -> Sequence[Json]:
    """That wait to be sent."""
    wanted = {"name": "mail_notice", "state": "queued"}
    answer = await world.http.get(f"{API}/realtime/jobs", params=wanted)
    return answer.json()["items"]


PROBES: Mapping[str, Probe] = {
    "GET /livez, /startupz": alive,
    "GET /readyz": ready,
    "GET /metrics (METRICS_TOKEN)": scraped,
    "POST /auth/login": login,
    "a query": query,
    "a query with min_position": query_at,
    "a command": command,
    "POST …/files/upload": upload,
    "a file by its link": download,
    "frame ping": ping,
    "frame act": act,
    "frame join": join,
    "what others do in a room": hears,
    "a job": job,
    "a mail": mail,
}
