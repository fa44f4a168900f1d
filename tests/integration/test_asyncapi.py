"""The description of the protocol: valid by AsyncAPI's own schema, and true of what is sent."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import jsonschema
import msgspec
import pytest

from api.realtime.asyncapi import CLIENT, SERVER, asyncapi
from api.realtime.protocol import CloseCode
from domain.project import PROJECT, ProjectRole, RemoveMember
from infra.runtime import SYSTEM, Runtime
from tests.integration.conftest import Api
from tests.integration.sockets import Json, Live, live_gateway
from tests.npm import node_modules

# One xdist group with what else uses npm's packages: they are installed once.
pytestmark = [pytest.mark.services, pytest.mark.xdist_group("browser"), pytest.mark.timeout(240)]

DOCUMENT: Json = msgspec.json.decode(msgspec.json.encode(asyncapi()))


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


def problems_by(schema: Json) -> Callable[[object], list[str]]:
    """What is wrong with a value, by a JSON schema; the library is untyped."""
    validator: Any = jsonschema.Draft7Validator(schema)  # pyright: ignore[reportUnknownMemberType]
    return lambda value: [
        f"{list(error.path)}: {error.message}" for error in validator.iter_errors(value)
    ]


def problems_of(frame: Json) -> list[str]:
    """Of a frame from the server, by the description; a field that it does not name is one."""
    message = DOCUMENT["components"]["messages"].get(frame["op"])
    if message is None:
        return [f"unknown: {frame}"]
    found = problems_by({**DOCUMENT, **message["payload"]})(frame)
    name = message["payload"]["$ref"].rpartition("/")[2]
    unnamed = set(frame) - set(DOCUMENT["components"]["schemas"][name]["properties"])
    return [f"{frame['op']} {problem}" for problem in (*found, *sorted(unnamed))]


def test_it_is_a_valid_document() -> None:
    path = node_modules() / "@asyncapi/specs/schemas/3.0.0.json"
    schema = cast(Json, msgspec.json.decode(Path(path).read_bytes()))
    problems = problems_by(schema)
    assert problems(DOCUMENT) == []
    assert problems({**DOCUMENT, "channels": 1}) != [], "the schema refuses nothing"


async def test_it_is_served_beside_that_of_rest(api: Api) -> None:
    answer = await api.client.get("/schema/asyncapi.json")
    assert answer.json() == DOCUMENT
    assert (await api.client.get("/schema/openapi.json")).status_code == 200


def test_it_has_every_frame_and_every_close_code() -> None:
    assert len(DOCUMENT["components"]["messages"]) == len(CLIENT) + len(SERVER)
    assert len(DOCUMENT["operations"]) == len(CLIENT) + 1
    for code in CloseCode:
        assert f"| {int(code)} |" in DOCUMENT["info"]["description"]


def test_what_is_not_a_frame_is_told_apart() -> None:
    assert problems_of({"op": "head", "room": "ops", "pos": 1}) == []
    assert problems_of({"op": "head", "room": "ops"}) != []
    assert problems_of({"op": "head", "room": "ops", "pos": 1, "more": 1}) != []
    assert problems_of({"op": "nonsense"}) != []


def test_the_data_of_an_event_is_what_its_type_has() -> None:
    event = {"op": "ev", "room": "ops", "pos": 2, "prev": 1, "at": "", "subject": str(UUID(int=1))}
    assert problems_of({**event, "type": "lock.expired", "data": {}}) != []
    data = {"resource": "desk", "holder": str(UUID(int=1))}
    assert problems_of({**event, "type": "lock.expired", "data": data}) == []


async def test_all_that_is_sent_in_a_session_is_as_described(live: Live) -> None:
    ann, bob = await live.user("ann"), await live.user("bob")
    project = await live.project(ann)
    await live.add(project, bob, ProjectRole.CONTRIBUTOR)
    room, task = f"project:{project}", await live.task(project)
    one, two = await live.open(ann), await live.open()
    await one.ask("join", room=room)
    await two.say("hello", token=live.token(bob, ttl_s=30), resume=[{"room": room, "after": 0}])
    await two.until(lambda frame: frame["op"] == "joined" and frame["room"] == room)
    await one.until(lambda frame: frame["op"] == "presence" and "join" in frame)

    await two.say("cursor", room=room, at={"x": 1, "y": 2})
    await two.say("typing", room=room, where="title", on=True)
    await two.say("select", room=room, selection=["a"])
    await one.until(lambda frame: frame.get("type") == "motion.selected")
    ack = await two.ask("act", room=room, kind="note", data={"n": 1})
    await two.say("seen", room=room, pos=ack["pos"])
    await two.ask("status", status="busy", location="board")
    held = (await two.ask("lock", room=room, resource=f"task:{task}"))["lock"]
    await one.ask("lock", room=room, resource=f"task:{task}")
    await two.ask("renew", room=room, resource=f"task:{task}", token=held["token"])
    await one.ask("steal", room=room, resource=f"task:{task}", reason="urgent")
    await one.ask("join", room=f"task:{task}", location="sheet")
    await one.ask("act", room="ops", kind="elsewhere")
    await one.say("ping", t=1)
    await one.until(lambda frame: frame["op"] == "pong")
    await two.until(lambda frame: frame["op"] == "expiring")
    await two.ask("token", token=live.token(bob))
    replay = await one.ask("replay", project=str(project), speed=1_000)
    await one.until(lambda frame: frame["op"] == "ended")
    await one.ask("act", room=replay["room"], kind="seek", data={"to": ack["pos"]})
    await one.until(lambda frame: frame["op"] == "head")
    remove = RemoveMember(user=bob)
    await live.runtime.execute(SYSTEM, PROJECT, project, remove, project=project)
    await two.until(lambda frame: frame["op"] == "left")
    await one.ask("leave", room=f"task:{task}")
    await live.gateway.drain()
    await one.until(lambda frame: frame["op"] == "closing")

    seen = one.seen + two.seen
    assert [problem for frame in seen for problem in problems_of(frame)] == []
    rare = {"skip", "lagged"}  # one's rights, and those who read slowly
    assert {frame["op"] for frame in seen} >= {_op(frame) for frame in SERVER} - rare


def _op(frame: type[msgspec.Struct]) -> str:
    return str(frame.__struct_config__.tag)
