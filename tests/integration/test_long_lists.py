"""What is too long for a `joined` frame: it says so, and REST goes on where it ends."""

from uuid import uuid4

import pytest

from domain.receipt import RECEIPT, See, receipt_stream
from infra.runtime import SYSTEM
from projections import snapshots
from projections.read import wait_for
from tests.integration.reading import Json, Room

MOST = 3


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_LOCKS", MOST)
    monkeypatch.setattr(snapshots, "MAX_RECEIPTS", MOST)


async def joined(room: Room) -> Json:
    return await (await room.live.open(room.bob)).ask("join", room=room.name)


async def rest(room: Room, path: str, cursor: str) -> list[Json]:
    """Page by page from the cursor on."""
    found: list[Json] = []
    while cursor:
        params = {"cursor": cursor, "limit": "1"}
        headers = room.reader().headers
        answer = await room.client.get(f"/api/v1{path}", params=params, headers=headers)
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next"]
    return found


async def test_locks_beyond_those_in_the_frame_are_read_by_rest(room: Room) -> None:
    ann = await room.socket()
    resources = [mark * 200 for mark in ("a", "b", "\N{PILE OF POO}", "\N{ROCKET}", "\N{OWL}")]
    for resource in resources[:MOST]:
        await ann.ask("lock", room=room.name, resource=resource)
    assert "more" not in await joined(room)
    for resource in resources[MOST:]:
        await ann.ask("lock", room=room.name, resource=resource)
    frame = await joined(room)
    assert [*frame["more"]] == ["locks"]
    listed = [one["resource"] for one in frame["locks"]]
    others = await rest(room, f"/projects/{room.project}/locks", frame["more"]["locks"])
    assert len(listed) == MOST
    assert sorted(listed + [one["resource"] for one in others]) == sorted(resources)


async def test_receipts_beyond_those_in_the_frame_are_read_by_rest(room: Room) -> None:
    runtime = room.live.runtime
    people = [uuid4() for _ in range(MOST + 2)]
    for number, user in enumerate(people, 1):
        see, stream = See(user=user, room=room.name, pos=number), receipt_stream(user, room.name)
        await runtime.execute(SYSTEM, RECEIPT, stream, see, project=room.project)
    await wait_for(runtime, "live", await runtime.store.head())
    frame = await joined(room)
    assert [*frame["more"]] == ["receipts"]
    assert len(frame["receipts"]) == MOST
    path = f"/realtime/rooms/{room.name}/receipts"
    others = await rest(room, path, frame["more"]["receipts"])
    seen = {one["user"]: one["pos"] for one in [*frame["receipts"], *others]}
    assert seen == {str(user): number for number, user in enumerate(people, 1)}


async def test_receipts_are_for_who_may_be_in_the_room(room: Room) -> None:
    eve = await room.live.user("eve")
    path = f"/api/v1/realtime/rooms/{room.name}/receipts"
    answer = await room.client.get(path, headers=room.reader(eve).headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "access.denied")
