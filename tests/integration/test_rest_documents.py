"""Documents: fields that change one by one, versions, and locks that keep others from writing."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from domain.lock import LOCK, AcquireLock, lock_stream
from infra.runtime import SYSTEM
from tests.integration.conftest import Api, Json, Person


class Place(msgspec.Struct, frozen=True):
    """A project with a document, its manager and two contributors."""

    boss: Person
    ann: Person
    bob: Person
    project: str
    document: str

    @property
    def path(self) -> str:
        return f"/documents/{self.document}"


@pytest.fixture
async def place(api: Api) -> Place:
    boss, ann, bob = await api.as_("manager"), await api.as_("member"), await api.as_("member")
    project = (await boss.do("POST", "/projects", {"name": "P"}))["id"]
    for one in (ann, bob):
        await boss.do("PUT", f"/projects/{project}/members/{one.id}", {"role": "contributor"})
    body = {"title": "Plan", "fields": {"summary": "A hall", "body": "Long"}}
    document = await ann.do("POST", f"/projects/{project}/documents", body)
    return Place(boss, ann, bob, project, document["id"])


def said(shown: Json) -> dict[str, str]:
    return {field["name"]: field["text"] for field in shown["fields"]}


async def lock(api: Api, place: Place, holder: Person, field: str) -> int:
    """Returns the fencing token."""
    resource = f"document:{place.document}{field}"
    command = AcquireLock(
        project=UUID(place.project),
        resource=resource,
        holder=UUID(holder.id),
        participation=UUID(holder.id),
        now=api.runtime.now() + timedelta(seconds=1),
    )
    stream = lock_stream(UUID(place.project), resource)
    return (await api.runtime.execute(SYSTEM, LOCK, stream, command)).version


async def test_two_people_change_their_fields_without_disturbing_each_other(place: Place) -> None:
    await place.ann.do("PATCH", place.path, {"fields": {"summary": "The north hall"}})
    await place.bob.do("PATCH", place.path, {"fields": {"body": None, "costs": "100"}})
    shown = await place.bob.get(place.path)
    assert said(shown) == {"summary": "The north hall", "costs": "100"}
    by = {field["name"]: (field["changed_by"], field["version"]) for field in shown["fields"]}
    assert by == {"summary": (place.ann.id, 2), "costs": (place.bob.id, 3)}
    assert (shown["created_by"], shown["changed_by"], shown["version"]) == (
        place.ann.id,
        place.bob.id,
        3,
    )


async def test_who_says_if_match_is_told_of_the_other(place: Place) -> None:
    await place.ann.do("PATCH", place.path, {"title": "A"})
    stale = {"If-Match": '"1"'}
    answer = await place.bob("PATCH", place.path, {"title": "B"}, **stale)
    assert answer.status_code == 412


async def test_documents_are_found_by_the_words_in_them(place: Place) -> None:
    project = place.project
    other = await place.ann.do("POST", f"/projects/{project}/documents", {"title": "Menu"})
    await place.ann.do("PATCH", f"/documents/{other['id']}", {"fields": {"wine": "Red Burgundy"}})

    async def found(**query: str) -> list[str]:
        page = await place.ann.get("/documents", project=project, **query)
        return [one["title"] for one in page["items"]]

    assert await found() == ["Menu", "Plan"]
    assert await found(search="burg") == ["Menu"]
    assert await found(search="plan") == ["Plan"]
    page = await place.ann.get("/documents", project=project, limit=1)
    rest = await place.ann.get("/documents", project=project, limit=1, cursor=page["next"])
    assert [one["title"] for one in page["items"] + rest["items"]] == ["Menu", "Plan"]


async def test_every_version_can_be_read_and_restored(place: Place) -> None:
    await place.ann.do("PATCH", place.path, {"title": "Draft", "fields": {"body": "Short"}})
    await place.boss.do("DELETE", place.path)
    shown = f"{place.path}?min_position={place.boss.position}"
    assert await place.ann.refused("GET", shown) == "404 document.not_found"
    assert await place.ann.refused("PATCH", place.path, {"title": "X"}) == "409 document.removed"
    page = await place.ann.get(f"{place.path}/versions")
    assert [(one["version"], one["type"]) for one in page["items"]] == [
        (1, "document.created"),
        (2, "document.changed"),
        (3, "document.removed"),
    ]
    assert page["items"][1]["data"] == {"title": "Draft", "fields": {"body": "Short"}}
    then = await place.ann.get(f"{place.path}/versions/1")
    assert (then["title"], then["fields"]) == ("Plan", {"summary": "A hall", "body": "Long"})
    await place.ann.do("POST", f"{place.path}/restore", {"version": 1})
    again = await place.ann.get(place.path)
    assert (again["title"], said(again)) == ("Plan", then["fields"])
    assert (await place.ann("GET", f"{place.path}/versions/9")).status_code == 404


async def test_what_somebody_else_has_locked_is_not_written(api: Api, place: Place) -> None:
    token = await lock(api, place, place.ann, "/body")
    refused = await place.bob("PATCH", place.path, {"fields": {"body": "Mine"}})
    assert (refused.status_code, refused.json()["holder"]) == (423, place.ann.id)
    assert await place.boss.refused("DELETE", place.path) == "423 lock.held"
    assert await place.bob.refused("POST", f"{place.path}/restore", {"version": 1}) == (
        "423 lock.held"
    )
    await place.bob.do("PATCH", place.path, {"fields": {"summary": "Free"}})
    held = {"Lock-Token": f"body={token}"}
    mine = await place.ann("PATCH", place.path, {"fields": {"body": "Mine"}}, **held)
    assert mine.status_code == 200
    gone = {"Lock-Token": f"body={token + 1}"}
    lost = await place.ann("PATCH", place.path, {"fields": {"body": "X"}}, **gone)
    assert (lost.status_code, lost.json()["code"]) == (423, "lock.lost")
    bad = await place.ann("PATCH", place.path, {"title": "X"}, **{"Lock-Token": "body"})
    assert (bad.status_code, bad.json()["code"]) == (400, "request.bad_lock_token")


async def test_a_lock_on_the_whole_keeps_every_field(api: Api, place: Place) -> None:
    token = await lock(api, place, place.ann, "")
    body = {"fields": {"costs": "1"}}
    assert await place.bob.refused("PATCH", place.path, body) == "423 lock.held"
    mine = await place.ann("PATCH", place.path, body, **{"Lock-Token": str(token)})
    assert mine.status_code == 200


async def test_the_past_of_a_project_shows_its_documents(place: Place) -> None:
    done = await place.ann.do("PATCH", place.path, {"title": "Draft"})
    await place.boss.do("DELETE", place.path)
    asked = {"project": place.project}
    [then] = (await place.ann.get("/replay", **asked, at=done["position"]))["documents"]
    assert (then["title"], then["version"]) == ("Draft", 2)
    assert (await place.boss.get("/replay", **asked))["documents"] == []
