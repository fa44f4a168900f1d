"""Reactions to tasks and comments: twice is once, and the rooms hear of each."""

from uuid import uuid4

from projections.read import reading
from projections.room_log import missed
from tests.integration.conftest import Api, Place

UP = "\N{THUMBS UP SIGN}"


async def test_a_task_and_its_comments_are_reacted_to_once_a_person(place: Place) -> None:
    path = f"/tasks/{place.task}"
    comment = (await place.ann.do("POST", f"{path}/comments", {"body": "Done"}))["id"]
    of_task, of_comment = f"{path}/reactions/{UP}", f"{path}/comments/{comment}/reactions/tada"
    task = await place.ann.get(path)
    await place.ann.do("PUT", of_task)
    again = await place.ann.do("PUT", of_task)
    assert again["position"] is None
    await place.ann.do("PUT", of_comment)
    await place.boss.do("PUT", of_comment)
    [shown] = (await place.boss.get(f"{path}/comments"))["items"]
    [tada] = shown["reactions"]
    assert (tada["emoji"], tada["count"]) == ("tada", 2)
    assert tada["users"] == [place.ann.id, place.boss.id]
    [up] = await place.boss.get(f"{path}/reactions")
    assert (up["emoji"], up["users"]) == (UP, [place.ann.id])
    assert (await place.boss.get(path))["version"] == task["version"], "no If-Match fails of it"
    await place.ann.do("DELETE", of_task)
    assert (await place.ann.do("DELETE", of_task))["position"] is None
    assert await place.ann.get(f"{path}/reactions") == []


async def test_there_must_be_something_to_react_to(place: Place, api: Api) -> None:
    path = f"/tasks/{place.task}"
    nothing = f"{path}/comments/{uuid4()}/reactions/tada"
    assert await place.ann.refused("PUT", nothing) == "404 task.no_such_comment"
    bad = f"{path}/reactions/Not%20one"
    assert await place.ann.refused("PUT", bad) == "422 reaction.bad_emoji"
    eve = await api.as_("member")
    assert await eve.refused("PUT", f"{path}/reactions/tada") == "404 task.not_found"


async def test_the_rooms_of_task_and_project_hear_of_it(place: Place, api: Api) -> None:
    done = await place.ann.do("PUT", f"/tasks/{place.task}/reactions/tada")
    for room in (f"task:{place.task}", f"project:{place.project}"):
        async with reading(api.runtime, min_position=done["position"], group="live") as db:
            [frame] = await missed(db, room, done["position"] - 1, 10)
        assert b'"type":"reaction.added"' in frame.frame
