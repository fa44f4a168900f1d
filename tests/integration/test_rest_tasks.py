"""Tasks, comments, and locks that keep others from writing."""

from datetime import timedelta
from uuid import UUID, uuid4

from domain.lock import LOCK, AcquireLock, RenewLock, StealLock, lock_stream
from infra.runtime import SYSTEM
from tests.integration.conftest import Api, Json, Person, Place


async def test_a_task_is_created_changed_and_done(place: Place) -> None:
    path = f"/tasks/{place.task}"
    await place.ann.do("PATCH", path, {"title": "Draw it", "priority": "high", "due": None})
    await place.ann.do("PUT", f"{path}/status", {"status": "done"})
    await place.ann.do("PUT", f"{path}/assignee", {"assignee": place.boss.id})
    shown = await place.ann.get(path)
    assert (shown["title"], shown["priority"], shown["due"]) == ("Draw it", "high", None)
    assert (shown["status"], shown["assignee"]) == ("done", place.boss.id)
    await place.ann.do("PUT", f"{path}/assignee", {"assignee": None})
    assert (await place.ann.get(path))["assignee"] is None


async def test_only_members_are_assigned_and_mentioned(api: Api, place: Place) -> None:
    stranger = (await api.as_("member")).id
    body = {"title": "T", "assignee": stranger}
    refused = await place.ann("POST", f"/projects/{place.project}/tasks", body)
    assert (refused.status_code, refused.json()["user"]) == (422, stranger)
    path = f"/tasks/{place.task}"
    assign = await place.ann.refused("PUT", f"{path}/assignee", {"assignee": stranger})
    mention = {"body": "you?", "mentions": [place.boss.id, stranger]}
    assert assign == "422 project.not_a_member"
    assert await place.ann.refused("POST", f"{path}/comments", mention) == assign


async def test_comments_are_changed_by_their_author_and_removed_by_a_moderator(
    api: Api, place: Place
) -> None:
    eve = await api.as_("member")
    await place.boss.do(
        "PUT", f"/projects/{place.project}/members/{eve.id}", {"role": "contributor"}
    )
    path = f"/tasks/{place.task}/comments"
    said = {"body": "Looks good", "mentions": [place.boss.id]}
    comment = await place.ann.do("POST", path, said)
    own = f"{path}/{comment['id']}"
    assert await eve.refused("PATCH", own, {"body": "Bad"}) == "403 task.not_the_author"
    assert await eve.refused("DELETE", own) == "403 task.not_the_author"
    await place.ann.do("PATCH", own, {"body": "Looks very good"})
    [shown] = (await place.ann.get(path))["items"]
    assert (shown["body"], shown["mentions"]) == ("Looks very good", [])
    await place.boss.do("DELETE", own)
    assert (await place.boss.get(path))["items"] == []


async def test_the_list_is_narrowed_to_ones_own_projects(api: Api, place: Place) -> None:
    other = (await place.boss.do("POST", "/projects", {"name": "Q"}))["id"]
    await place.boss.do("POST", f"/projects/{other}/tasks", {"title": "Hidden"})
    place.ann.position = place.boss.position
    assert [row["title"] for row in (await place.ann.get("/tasks"))["items"]] == ["Draw"]
    assert (await place.ann.get("/tasks", project=other))["items"] == []
    titles = [row["title"] for row in (await place.boss.get("/tasks"))["items"]]
    assert titles == ["Hidden", "Draw"]


async def test_tasks_are_found_by_what_is_asked_for(place: Place) -> None:
    async def found(**filters: Json) -> int:
        return len((await place.ann.get("/tasks", **filters))["items"])

    await place.ann.do("PUT", f"/tasks/{place.task}/assignee", {"assignee": place.ann.id})
    assert await found(assignee=place.ann.id, status="todo", priority="normal") == 1
    assert await found(due_before="2026-05-02", due_after="2026-04-30") == 1
    assert await found(due_before="2026-05-01") == 0
    assert await found(status="done") == 0


async def test_words_are_found_by_their_beginnings(place: Place) -> None:
    about = {"title": "Paint", "description": 'Ask e.g. ann@acme.org, it\'s "urgent"'}
    path = f"/projects/{place.project}/tasks"
    task = (await place.ann.do("POST", path, about))["id"]

    async def found(search: str) -> list[str]:
        return [one["id"] for one in (await place.ann.get("/tasks", search=search))["items"]]

    for words in ("pai", "URG", "ask acme", "ann@ac", "it's paint", '"urgent"'):
        assert await found(words) == [task], words
    for words in ("aint", "paint draw", "%", "!", " ", "x' | 'pai", "\\'"):
        assert await found(words) == [], words
    for body in ("Nice work", "More paint"):
        await place.ann.do("POST", f"/tasks/{task}/comments", {"body": body})
    comments = await place.ann.get(f"/tasks/{task}/comments", search="pain")
    assert [one["body"] for one in comments["items"]] == ["More paint"]


async def test_a_locked_task_is_written_by_its_holder_alone(api: Api, place: Place) -> None:
    token = await acquire(api, place, place.ann)
    path, change = f"/tasks/{place.task}", {"title": "Mine"}
    locked = await place.boss("PATCH", path, change)
    assert (locked.status_code, locked.json()["code"]) == (423, "lock.held")
    assert locked.json()["holder"] == place.ann.id
    status = await place.boss.refused("PUT", f"{path}/status", {"status": "done"})
    assert status == "423 lock.held"
    assert await place.ann.refused("PATCH", path, change) == "423 lock.held", "her other window"
    await place.ann.do("PATCH", path, {"title": "Mine again"}, Lock_Token=str(token))
    borrowed = await place.boss.refused("PATCH", path, change, Lock_Token=str(token))
    assert borrowed == "423 lock.lost", "everybody in the room sees the token"
    await place.boss.do("POST", f"{path}/comments", {"body": "A comment locks nobody out"})


async def test_a_stolen_lock_fences_off_its_former_holder(api: Api, place: Place) -> None:
    token = await acquire(api, place, place.ann)
    stolen = await steal(api, place, place.boss)
    path, change = f"/tasks/{place.task}", {"title": "Mine"}
    lost = await place.ann("PATCH", path, change, Lock_Token=str(token))
    assert (lost.status_code, lost.json()["code"]) == (423, "lock.lost")
    assert lost.json()["holder"] == place.boss.id
    assert stolen > token
    await place.boss.do("PATCH", path, change, Lock_Token=str(stolen))


async def test_a_renewal_does_not_fence_off_the_holder(api: Api, place: Place) -> None:
    token = await acquire(api, place, place.ann)
    later = api.runtime.now() + timedelta(seconds=20)
    renew = RenewLock(holder=UUID(place.ann.id), token=token, now=later)
    stream = lock_stream(UUID(place.project), f"task:{place.task}")
    assert (await api.runtime.execute(SYSTEM, LOCK, stream, renew)).position is not None
    await place.ann.do("PATCH", f"/tasks/{place.task}", {"title": "M"}, Lock_Token=str(token))


async def test_a_token_without_a_lock_is_refused(place: Place) -> None:
    refused = await place.ann.refused(
        "PATCH", f"/tasks/{place.task}", {"title": "M"}, Lock_Token="1"
    )
    assert refused == "423 lock.lost"


async def test_an_accepted_write_is_answered_again_though_the_task_is_locked_now(
    api: Api, place: Place
) -> None:
    path, change = f"/tasks/{place.task}", {"title": "Mine"}
    first = await place.boss.do("PATCH", path, change, Idempotency_Key="k")
    await acquire(api, place, place.ann)
    again = await place.boss("PATCH", path, change, Idempotency_Key="k")
    assert (again.status_code, again.json()) == (200, first)


async def test_a_task_there_is_not_looks_like_one_that_may_not_be_seen(
    api: Api, place: Place
) -> None:
    eve = await api.as_("guest")
    hidden = await eve("GET", f"/tasks/{place.task}")
    absent = await eve("GET", f"/tasks/{uuid4()}")
    assert hidden.json().keys() == absent.json().keys()
    assert hidden.json()["code"] == absent.json()["code"] == "task.not_found"
    other = await eve.refused("GET", f"/tasks/{place.task}/comments")
    assert other == "404 task.not_found"


async def acquire(api: Api, place: Place, holder: Person) -> int:
    now, resource = api.runtime.now(), f"task:{place.task}"
    command = AcquireLock(
        project=UUID(place.project),
        resource=resource,
        holder=UUID(holder.id),
        participation=uuid4(),
        now=now,
    )
    stream = lock_stream(UUID(place.project), resource)
    return (await api.runtime.execute(SYSTEM, LOCK, stream, command)).version


async def steal(api: Api, place: Place, holder: Person) -> int:
    resource = f"task:{place.task}"
    command = StealLock(
        project=UUID(place.project),
        resource=resource,
        holder=UUID(holder.id),
        participation=uuid4(),
        reason="urgent",
        now=api.runtime.now(),
    )
    stream = lock_stream(UUID(place.project), resource)
    return (await api.runtime.execute(SYSTEM, LOCK, stream, command)).version
