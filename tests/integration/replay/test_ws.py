"""A replay over a WebSocket: the scene, then what happened, as its one viewer steers it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID, uuid4

import psycopg
import pytest

from api.realtime import protocol as p
from domain.project import PROJECT, RemoveMember
from domain.user import USER, ChangeRole, Role
from infra.runtime import SYSTEM
from projections.replay import session
from projections.replay.session import FASTEST
from projections.timeline import PROJECTION as TIMELINE
from tests.integration.conftest import Api, Person
from tests.integration.replay.past import (
    LATER,
    Past,
    ended,
    happening,
    opened,
    positions,
    since_joined,
)
from tests.integration.sockets import Json
from tests.integration.test_rest_replay import told


async def test_it_shows_what_rest_streams(past: Past, api: Api) -> None:
    auditor = await api.as_("auditor")
    socket = await past.live.open(UUID(auditor.id))
    joined = await opened(socket, past, speed=FASTEST)
    frames = await ended(socket, joined["room"])
    streamed = await streamed_by(auditor, api, past)
    assert (joined["pos"], joined["mode"], joined.get("members", [])) == (0, "snapshot", [])
    assert len(streamed) >= 10
    assert [(frame["op"], frame["pos"]) for frame in frames] == [
        ("presence" if data.get("type", "").startswith("participation.") else name, data["pos"])
        for name, data in streamed
    ]
    same = ("type", "by", "at", "subject", "data")
    for frame, (name, data) in zip(frames, streamed, strict=True):
        if frame["op"] == "ev":
            assert {key: frame.get(key) for key in same} == {key: data[key] for key in same}
        elif name == "mo":
            assert (frame["type"], frame["data"]) == (data["type"], data["data"])
    events = [frame for frame in frames if frame["op"] == "ev"]
    assert [one["prev"] for one in events] == [0, *(one["pos"] for one in events[:-1])]


async def streamed_by(person: Person, api: Api, past: Past) -> list[tuple[str, Json]]:
    streamed = await told(person, api, project=past.project, **{"from": 0, "speed": FASTEST})
    return [("ended" if name == "end" else name, data) for name, data in streamed]


async def test_its_frames_are_those_that_people_saw(past: Past) -> None:
    socket = await past.live.open(past.ann)
    joined = await opened(socket, past, speed=FASTEST)
    again = {frame["pos"]: frame for frame in happening(await ended(socket, joined["room"]))}
    seen = [frame for frame in past.seen if frame["op"] in ("ev", "mo")]
    assert {frame["type"] for frame in seen} >= {"lock.acquired", "activity.recorded"}
    for frame in seen:
        mine = {"room": joined["room"]} | {"prev": again[frame["pos"]].get("prev")}
        assert frame | mine == {"prev": None} | again[frame["pos"]]
    there = [frame for frame in again.values() if frame["op"] == "presence"]
    assert [list(frame)[3] for frame in there] == ["join", "join", "update", "leave"]
    assert there[1]["join"][0]["location"] == "board"
    assert there[1]["join"][0]["room"] == past.room


async def test_it_opens_with_the_scene_of_its_moment(past: Past) -> None:
    wave = next(frame for frame in past.seen if frame.get("data", {}).get("kind") == "wave")
    socket = await past.live.open(past.bob)
    joined = await opened(socket, past, **{"from": wave["pos"], "speed": 2})
    assert joined["pos"] == wave["pos"]
    assert {(one["user"], one["status"]) for one in joined["members"]} == {
        (str(past.ann), "busy"),
        (str(past.bob), "online"),
    }
    assert [(one["resource"], one["holder"]) for one in joined["locks"]] == [
        ("plan", str(past.ann))
    ]
    assert {(one["op"], one["type"]) for one in joined["cursors"]} == {
        ("mo", "motion.cursor"),
        ("mo", "motion.typing"),
    }
    assert {"room": past.room, "at": {"x": 3}} in [one["data"] for one in joined["cursors"]]
    here = {one["participation"]: one["user"] for one in joined["members"]}
    assert all(here[one["participation"]] == one["by"] for one in joined["cursors"])
    assert joined["recent"][-1]["data"] == wave["data"]
    assert (joined["replay"]["at"], joined["replay"]["speed"]) == (wave["at"], 2.0)
    frames = await ended(socket, joined["room"])
    assert [frame["op"] for frame in happening(frames)[:2]] == ["ev", "presence"]  # goes, unlocks
    assert frames[-1] == {"op": "ended", "room": joined["room"], "pos": joined["replay"]["end"]}


async def test_pause_holds_and_speed_hurries(past: Past) -> None:
    socket = await past.live.open(past.ann)
    first = (await opened(socket, past))["room"]
    for _ in ("Ann", "Bob"):
        await socket.until(shown(first, "project.member_added"))  # and then nothing for an hour
    paused = await socket.ask("act", room=first, kind="pause")
    assert (await socket.ask("act", room=first, kind="speed", data={"speed": FASTEST}))["pos"] == (
        paused["pos"]
    )
    second = (await opened(socket, past, speed=FASTEST))["room"]
    played = positions(await ended(socket, second))
    assert positions(since_joined(socket, first)) == played[:3]
    await socket.ask("act", room=first, kind="resume")
    assert positions(await ended(socket, first)) == played


async def test_a_pause_of_an_hour_is_skipped(past: Past) -> None:
    socket = await past.live.open(past.ann)
    room = (await opened(socket, past))["room"]
    for _ in ("Ann", "Bob"):
        await socket.until(shown(room, "project.member_added"))  # and then nothing for an hour
    await socket.ask("act", room=room, kind="pause")
    await socket.ask("act", room=room, kind="skip")
    assert [frame["op"] for frame in since_joined(socket, room)] == ["ev"] * 3
    await socket.ask("act", room=room, kind="resume")
    assert len(positions(await ended(socket, room))) > 3


async def test_seeking_shows_the_same_again(past: Past) -> None:
    socket = await past.live.open(past.ann)
    room = (await opened(socket, past, speed=FASTEST))["room"]
    first = await ended(socket, room)
    back = await socket.ask("act", room=room, kind="seek", data={"to": 0})
    assert (back["op"], back["room"], back["pos"]) == ("joined", room, 0)
    assert await ended(socket, room) == first
    middle = first[len(first) // 2]["pos"]
    await socket.ask("act", room=room, kind="pause")
    there = await socket.ask("act", room=room, kind="seek", data={"to": middle})
    assert (there["pos"], there["replay"]["paused"]) == (middle, True)
    assert since_joined(socket, room) == []
    await socket.ask("act", room=room, kind="resume")
    rest = await ended(socket, room)
    assert positions(rest) == [pos for pos in positions(first) if pos > middle]


async def test_a_moment_may_be_a_time(past: Past) -> None:
    socket = await past.live.open(past.ann)
    wave = next(frame for frame in past.seen if frame.get("data", {}).get("kind") == "wave")
    joined = await opened(socket, past, **{"from": wave["at"]})
    assert joined["recent"][-1]["data"] == wave["data"]
    half_an_hour_before = datetime.fromisoformat(wave["at"]) - LATER / 2
    seek = {"to": half_an_hour_before.isoformat()}
    sought = await socket.ask("act", room=joined["room"], kind="seek", data=seek)
    assert {one["type"] for one in sought["recent"]} == {"project.created", "project.member_added"}


async def test_members_and_auditors_may_and_nobody_else(past: Past) -> None:
    live = past.live
    eve, analyst = await live.user("eve"), await live.user("analyst", Role.ANALYST)
    refused = await (await live.open(eve)).ask("replay", project=past.project)
    assert refused["code"] == "project.not_found"
    refused = await (await live.open(analyst)).ask("replay", project=past.project)
    assert refused["code"] == "access.denied"
    auditor = await live.open(await live.user("auditor", Role.AUDITOR))
    assert (await opened(auditor, past))["op"] == "joined"
    assert (await auditor.ask("replay", project=uuid4()))["code"] == "project.not_found"


async def test_it_ends_when_the_right_ends(past: Past) -> None:
    live = past.live
    auditor = await live.user("auditor", Role.AUDITOR)
    one, two = await live.open(past.bob), await live.open(auditor)
    rooms = [(await opened(socket, past))["room"] for socket in (one, two)]
    await live.runtime.execute(SYSTEM, PROJECT, past.project, RemoveMember(user=past.bob))
    await live.runtime.execute(SYSTEM, USER, auditor, ChangeRole(role=Role.MEMBER))
    for socket, room in zip((one, two), rooms, strict=True):
        left = await socket.until(lambda frame: frame["op"] == "left")
        assert (left["room"], left["why"]) == (room, "removed")
        refused = await socket.ask("act", room=room, kind="resume")
        assert refused["code"] == "room.not_joined"


async def test_a_connection_has_two_replays_and_they_are_its_own(past: Past) -> None:
    socket, other = await past.live.open(past.ann), await past.live.open(past.ann)
    room = (await opened(socket, past))["room"]
    await opened(socket, past)
    third = await socket.ask("replay", project=past.project)
    assert (third["code"], third["detail"]) == ("replay.too_many", {"most": p.MAX_REPLAYS})
    assert (await other.ask("act", room=room, kind="pause"))["code"] == "room.not_joined"
    assert (await other.ask("join", room=room))["code"] == "room.not_found"
    assert (await socket.ask("leave", room=room))["op"] == "ack"
    assert (await opened(socket, past))["room"] != room


async def test_what_makes_no_sense_is_refused(past: Past) -> None:
    socket = await past.live.open(past.ann)
    room = (await opened(socket, past, to=past.created))["room"]
    acts: list[tuple[str, Json, str]] = [
        ("rewind", {}, "replay.bad_act"),
        ("pause", {"for": 3}, "replay.bad_act"),
        ("seek", {}, "replay.bad_act"),
        ("seek", {"to": "yesterday"}, "replay.bad_act"),
        ("seek", {"to": -1}, "replay.bad_act"),
        ("seek", {"to": past.created + 1}, "replay.past_its_end"),
        ("seek", {"to": 10**12}, "replay.not_yet"),
        ("speed", {"speed": 0}, "replay.bad_act"),
        ("speed", {"speed": 2 * FASTEST}, "replay.bad_act"),
    ]
    for kind, data, code in acts:
        refused = await socket.ask("act", room=room, kind=kind, data=data)
        assert refused.get("code") == code, (kind, data, refused)
    assert (await socket.ask("lock", room=room, resource="a"))["code"] == "replay.read_only"
    assert (await socket.ask("cursor", room=room, at={}))["code"] == "replay.read_only"
    for fields, code in (
        ({"speed": 0}, "frame.invalid"),
        ({"from": "2026-01-01T00:00:00"}, "frame.invalid"),  # of which zone?
        ({"from": past.created, "to": 0}, "replay.backwards"),
        ({"to": 10**12}, "replay.not_yet"),
    ):
        refused = await socket.ask("replay", project=past.project, **fields)
        assert refused.get("code") == code, (fields, refused)
    assert (await socket.ask("act", room=room, kind="pause"))["op"] == "ack"


async def test_it_is_gone_when_its_connection_is(past: Past) -> None:
    socket = await past.live.open(past.ann)
    room = (await opened(socket, past))["room"]
    playing = [task for task in asyncio.all_tasks() if task.get_name() == room]
    await socket.connection.close()
    done, _ = await asyncio.wait(playing, timeout=10)
    assert done == set(playing)


async def test_one_that_fails_says_so_and_its_connection_goes_on(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PAGE", 1)
    socket = await past.live.open(past.ann)
    room = (await opened(socket, past))["room"]
    await socket.until(shown(room, "project.member_added"))  # the next page is read, one event
    with psycopg.connect(past.live.runtime.settings.database_url) as db:
        db.execute(f"ALTER TABLE timeline_{TIMELINE.version}.timeline RENAME TO gone".encode())
    await socket.say("act", room=room, kind="speed", data={"speed": FASTEST})
    left = await socket.until(lambda frame: frame["op"] == "left")
    assert (left["room"], left["why"]) == (room, "failed")
    assert (await socket.ask("act", room=room, kind="resume"))["code"] == "room.not_joined"


def shown(room: str, kind: str) -> Callable[[Json], bool]:
    return lambda frame: frame.get("room") == room and frame["op"] == "ev" and frame["type"] == kind
