"""The scenes of the tour, in their order."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

from api.client.errors import Refused
from api.client.frames import data
from api.client.latency import measure
from api.tour_stage import Player, Stage, check, event, events, eventually
from infra.runtime import Clock
from projections.frames import Mo

MISSED = 20  # actions while Bob is away
MOVES = 12
PROBES = 1_000  # actions that are measured, where so many are allowed
AWAY_S = 1.0

Facts = Mapping[str, Any]


async def sign_in(stage: Stage) -> Facts:
    stage.since = Clock().now() - timedelta(seconds=5)  # whatever the two clocks differ by
    stage.ann, stage.bob, stage.auditor, stage.analyst, stage.operator = await asyncio.gather(
        *(stage.sign_in(name) for name in ("ann", "bob", "auditor", "analyst", "operator"))
    )
    stage.say(f"Ann and Bob are {stage.ann.client.me.role}s; three others come later.")
    return {"people": 5}


async def meet(stage: Stage) -> Facts:
    ann, bob = stage.ann, stage.bob
    await stage.come(ann)
    stage.run = str(ann.live.new_id())
    await stage.come(bob)
    stage.say("Each opened one WebSocket and joined the project's room.")
    await _sees(ann, bob)
    await _sees(bob, ann)
    names = ", ".join(one.device for one in ann.room.members.values() if one.device)
    stage.say(f"Ann sees: {names}. Bob sees the same.")
    return {"members": len(ann.room.members)}


async def _sees(one: Player, other: Player) -> None:
    while all(member.user != other.id for member in one.room.members.values()):
        await anext(one.room)


async def add_task(stage: Stage) -> Facts:
    ann, bob = stage.ann, stage.bob
    title = f"Show them around ({stage.run})"
    path = f"/projects/{stage.project}/tasks"
    made = await ann.client.rest.post(path, {"title": title}, key=stage.run)
    again = await ann.client.rest.post(path, {"title": title}, key=stage.run)
    stage.did(made.position)
    check(again.body["id"] == made.body["id"] and again.repeated, "a retry made a second task")
    stage.say("Ann adds a task by REST, and again with the same Idempotency-Key: still one task.")
    seen = await event(bob.room, "task.created", lambda task: task["title"] == title)
    check(seen.pos == made.position, "Bob was shown another position than Ann")
    stage.say(f"Bob sees it in the room, at position {seen.pos} of the log.")
    stage.task = seen.subject
    return {"task": seen.subject, "position": seen.pos}


async def fight(stage: Stage) -> Facts:
    """Each grant of a lock has a higher token, and a write with an old one is refused."""
    ann, bob, resource = stage.ann, stage.bob, f"task:{stage.task}"
    first = await ann.live.lock(ann.room, resource)
    stage.say(f"Ann locks the task and gets token {first.token}.")
    try:
        await bob.live.lock(bob.room, resource)
    except Refused as error:
        check(error.code == "lock.held", f"refused, but as {error.code}")
        check(error.detail.get("holder") == str(ann.id), "somebody else holds it")
        stage.say(f"Bob asks for it: {error.code}, by Ann.")
    else:
        check(holds=False, otherwise="both got the lock")
    stage.did((await ann.live.unlock(ann.room, resource, first.token)).pos)
    second = await bob.live.lock(bob.room, resource)
    check(second.token > first.token, "the token did not rise")
    stage.say(f"Ann lets go, Bob gets it with token {second.token}.")
    await _write_fenced(stage, first.token, second.token)
    stage.did((await bob.live.unlock(bob.room, resource, second.token)).pos)
    return {"tokens": [first.token, second.token]}


async def _write_fenced(stage: Stage, old: int, new: int) -> None:
    path, body = f"/tasks/{stage.task}/status", {"status": "in_progress"}
    try:
        await stage.ann.client.rest.put(path, body, lock=old)
    except Refused as error:
        check(error.status == 423, f"refused, but with {error.status}")
        stage.say("Ann writes with her old token: 423 Locked.")
    else:
        check(holds=False, otherwise="a write with an old token was taken")
    stage.did((await stage.bob.client.rest.put(path, body, lock=new)).position)
    stage.say("Bob's write with his own token is taken.")


async def move(stage: Stage) -> Facts:
    """Motion may be merged on its way; where it ends is what counts."""
    ann, bob, seen = stage.ann, stage.bob, 0
    for x in range(MOVES + 1):
        await ann.live.cursor(ann.room, {"x": x * 100, "y": 50})
        await asyncio.sleep(0.05)
    async for frame in bob.room:
        if isinstance(frame, Mo) and frame.by == ann.id and frame.type == "motion.cursor":
            seen += 1
            if data(frame)["at"]["x"] == MOVES * 100:
                break
    stage.say(f"Ann moved her cursor {MOVES + 1} times, Bob saw {seen} of them and where it ended.")
    return {"sent": MOVES + 1, "seen": seen}


async def comment(stage: Stage) -> Facts:
    ann, bob = stage.ann, stage.bob
    own = await bob.live.join(f"user:{bob.id}")
    body = {"body": f"Bob, have a look at this: {stage.run}", "mentions": [str(bob.id)]}
    made = await ann.client.rest.post(f"/tasks/{stage.task}/comments", body)
    stage.mention = stage.did(made.position)
    seen = await event(bob.room, "task.comment_added", lambda added: added["body"] == body["body"])
    check(seen.pos == stage.mention, "the comment came at another position")
    stage.say("Ann mentions Bob in a comment; he sees it in the project's room.")
    told = await event(own, "notification.sent", lambda sent: str(stage.task) in sent["link"])
    stage.notice = told.pos
    stage.say("A worker tells him in his own room as well: " + data(told)["title"])
    return {"position": stage.mention}


async def drop(stage: Stage) -> Facts:
    """What happens while somebody is away comes when they are back: all, once, in order."""
    ann, bob = stage.ann, stage.bob
    bob.live.drop(AWAY_S)
    stage.say("Bob's connection is cut, as a network would.")
    positions: list[int] = []
    for number in range(MISSED):
        ack = await ann.live.act(ann.room, "tour.note", {"run": stage.run, "n": number})
        positions.append(stage.did(ack.pos))
    stage.say(f"Meanwhile Ann does {MISSED} things.")
    seen: list[int] = []
    async for frame, noted in events(bob.room, "activity.recorded"):
        if noted["data"].get("run") == stage.run:
            seen.append(frame.pos)
            if frame.pos == positions[-1]:
                break
    check(seen == positions, f"Bob got {len(seen)} events, and not just those {MISSED} in order")
    mode = bob.room.snapshot.mode if bob.room.snapshot else ""
    stage.say(f"Bob is back ({mode}) and has got all {MISSED}: once each, in order.")
    return {"missed": MISSED, "received": len(seen), "mode": mode}


async def replay(stage: Stage) -> Facts:
    """The auditor finds everything the tour did, in the order in which it happened."""
    rest = stage.auditor.client.rest
    rows = await _pages(
        rest.get, "/audit", project=stage.project, since=stage.since, min_position=stage.done[-1]
    )
    found = [row["position"] for row in reversed(rows)]
    check(found == sorted(set(found)), "the audit trail is out of order")
    missing = set(stage.done) - set(found)
    check(not missing, f"{len(missing)} things the tour did are not in the audit trail")
    stage.say(f"The auditor finds all {len(stage.done)} things we did, by position.")
    history = await _pages(rest.get, f"/audit/streams/{stage.task}")
    versions = [one["version"] for one in history]
    check(versions == list(range(1, len(versions) + 1)), "the task's history has a hole")
    steps = " → ".join(one["type"].split(".")[1] for one in history)
    stage.say(f"The task's own history, from the log: {steps}.")
    who = {str(stage.ann.id): "Ann", str(stage.bob.id): "Bob"}
    one = next(row for row in rows if row["position"] == stage.mention)
    stage.say(f"The comment: by {who[one['actor']]} from {one['ip']}, command {one['command']}.")
    return {"events": len(stage.done), "history": len(versions)}


async def _pages(get: Any, path: str, **query: object) -> list[Any]:
    """All pages of a list."""
    items, cursor = list[Any](), None
    while True:
        body = (await get(path, limit=200, cursor=cursor, **query)).body
        items += body["items"]
        cursor = body["next"]
        if cursor is None:
            return items


async def analyse(stage: Stage) -> Facts:
    rest = stage.analyst.client.rest
    tasks = await _pages(
        rest.get,
        "/tasks",
        project=stage.project,
        status="in_progress",
        min_position=stage.done[-1],
    )
    ours = [task for task in tasks if task["id"] == str(stage.task)]
    check(len(ours) == 1, "the task is not among those in progress")
    check(ours[0]["comments"] == 1, "the comment was not counted")
    projects = await _pages(rest.get, "/projects")
    stage.say(
        f"The analyst may read all {len(projects)} projects; this one has {len(tasks)}"
        " tasks in progress, ours with 1 comment."
    )
    return {"projects": len(projects), "in_progress": len(tasks)}


async def operate(stage: Stage) -> Facts:
    rest = stage.operator.client.rest
    status = (await rest.get("/realtime/status")).body
    stage.say("Ready: " + ", ".join(f"{n} {role}" for role, n in status["nodes"].items()) + ".")
    lag = ", ".join(f"{name} {count}" for name, count in status["lag"].items())
    stage.say(f"The log is at {status['position']}; positions behind: {lag}.")
    health = (await rest.get("/realtime/health/summary")).body
    check(health["status"] == "up", f"the system says it is {health['status']}")
    stats = (await rest.get("/realtime/jobs/stats")).body
    queues = ", ".join(f"{one['queue']} {one['waiting']} waiting" for one in stats)
    stage.say(f"Queues: {queues}.")
    return {"position": status["position"], "lag": status["lag"], "nodes": status["nodes"]}


async def mail(stage: Stage) -> Facts:
    rest = stage.operator.client.rest

    async def done() -> Any:
        found = await rest.get("/realtime/jobs", queue="email", name="mail_notice")
        ours = [job for job in found.body["items"] if job["position"] == stage.notice]
        check(len(ours) <= 1, "one mention became two mails")
        check(all(job["state"] != "dead" for job in ours), "the mail could not be sent")
        return next((job for job in ours if job["state"] == "done"), None)

    job = await eventually(done)
    stage.say(f"The job that mails Bob is done, after {job['attempts']} attempt(s).")
    file = stage.mailbox / f"{job['id']}.eml" if stage.mailbox is not None else None
    if file is None or not file.exists():
        return {"job": job["id"]}
    message = message_from_bytes(await asyncio.to_thread(file.read_bytes), policy=policy.default)
    part = message.get_body(("plain",))
    check(part is not None and stage.run in part.get_content(), "the mail does not say it")
    stage.say(f"It is in the mailbox folder: “{message['subject']}” to {message['to']}.")
    return {"job": job["id"], "file": str(file)}


async def latency(stage: Stage) -> Facts:
    """From Bob, who has done less so far: the limit on actions is each person's own."""
    ann, bob, rate = stage.ann, stage.bob, 200
    welcome = bob.live.welcome
    allowed = welcome.limits.actions if welcome is not None else 0
    count = min(PROBES, allowed // 2) if allowed else PROBES
    found = stage.latency = await measure(
        bob.live, ann.room, stage.run, rate=rate, seconds=count / rate
    )
    stage.say(
        f"{found.actions} actions at {found.rate}/s, stored with fsync, from Bob's send to Ann's"
        f" receipt: p50 {found.p50_ms} ms, p99 {found.p99_ms} ms."
    )
    return {"p50_ms": found.p50_ms, "p99_ms": found.p99_ms}


SCENES = (
    ("sign_in", "Two people sign in", sign_in),
    ("meet", "They join a project's room and see each other", meet),
    ("add_task", "A task is added, once", add_task),
    ("fight", "They fight over a lock", fight),
    ("move", "A cursor moves", move),
    ("comment", "A comment mentions somebody", comment),
    ("drop", "One drops and comes back without a gap", drop),
    ("replay", "An auditor looks at what happened", replay),
    ("analyse", "An analyst asks", analyse),
    ("operate", "An operator looks at lag and queues", operate),
    ("mail", "The e-mail arrives", mail),
    ("latency", "How quick is it?", latency),
)
