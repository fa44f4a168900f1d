"""Every frame, for every role and relation, does what domain.access allows, and nothing else."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, get_args
from uuid import UUID

import pytest

from api.realtime import protocol as p
from domain.access import Action, Who, allowed
from domain.project import ProjectRole
from domain.user import Role
from infra.runtime import Runtime
from tests.integration.sockets import Live, Socket, live_gateway

# The action that a frame needs in a project's room; None: anybody who is in it, or signed in.
NEEDS: Mapping[type[p.ClientFrame], Action | None] = {
    p.Hello: None,
    p.Token: None,
    p.Ping: None,
    p.Join: Action.ROOM_JOIN,
    p.Leave: None,
    p.Status: None,
    p.Act: Action.ROOM_ACT,
    p.Cursor: Action.ROOM_ACT,
    p.Typing: Action.ROOM_ACT,
    p.Select: Action.ROOM_ACT,
    p.Lock: Action.ROOM_LOCK,
    p.Unwait: Action.ROOM_LOCK,
    p.Renew: Action.ROOM_LOCK,
    p.Unlock: Action.ROOM_LOCK,
    p.Steal: Action.ROOM_STEAL,
    p.Seen: None,
    p.Replay: Action.REPLAY_READ,
}

ANSWERED: Mapping[type[p.ClientFrame], dict[str, Any]] = {
    p.Act: {"op": "act", "kind": "x"},
    p.Lock: {"op": "lock", "resource": "a"},
    p.Unwait: {"op": "unwait", "resource": "a"},
    p.Renew: {"op": "renew", "resource": "a", "token": 1},
    p.Unlock: {"op": "unlock", "resource": "a", "token": 1},
    p.Steal: {"op": "steal", "resource": "a", "reason": "r"},
}
SILENT: Mapping[type[p.ClientFrame], dict[str, Any]] = {  # an answer is a refusal
    p.Cursor: {"op": "cursor", "at": {}},
    p.Typing: {"op": "typing", "where": "title", "on": True},
    p.Select: {"op": "select", "selection": {}},
}


def test_every_frame_says_what_it_needs() -> None:
    assert set(NEEDS) == set(get_args(p.Incoming))
    assert {kind for kind, action in NEEDS.items() if action} == {
        p.Join,
        p.Replay,
        *ANSWERED,
        *SILENT,
    }


@pytest.fixture
async def live(projected: Runtime) -> AsyncIterator[Live]:
    async with live_gateway(projected) as running:
        yield running


@pytest.mark.parametrize("role", list(Role))
async def test_frames_of(role: Role, live: Live) -> None:
    boss = await live.user("boss", Role.ADMIN)
    project = await live.project(boss)
    for member in (None, *ProjectRole):
        user = await live.user("somebody", role)
        if member is not None:
            await live.add(project, user, member)
        socket = await live.open(user)
        await check_frames(socket, Who(user, role), f"project:{project}", member)
        await check_replay(socket, Who(user, role), project, member)
        await check_own_and_ops(socket, Who(user, role), f"user:{boss}")


async def check_frames(socket: Socket, who: Who, room: str, member: ProjectRole | None) -> None:
    joined = await socket.ask("join", room=room)
    assert (joined["op"] == "joined") == allowed(Action.ROOM_JOIN, who, project_role=member)
    if joined["op"] != "joined":
        for frame in ANSWERED.values():
            refused = await socket.ask(**frame, room=room)
            assert refused["code"] == "room.not_joined", frame
        return
    for kind, frame in ANSWERED.items():
        answer = await socket.ask(**frame, room=room)
        denied = answer.get("code") == "access.denied"
        assert denied != may(who, kind, member), (who.role, member, frame, answer)
    for kind, frame in SILENT.items():
        asked = await socket.say(**frame, room=room)
        await socket.ask("act", room=room, kind="x")  # what it had to answer came before this
        denied = any(seen.get("re") == str(asked) for seen in socket.seen)
        assert denied != may(who, kind, member), (who.role, member, frame)
    assert (await socket.ask("leave", room=room))["op"] == "ack"


async def check_replay(socket: Socket, who: Who, project: UUID, member: ProjectRole | None) -> None:
    """Whoever may, opens one, and has it closed again."""
    opened = await socket.ask("replay", project=project)
    assert (opened["op"] == "joined") == may(who, p.Replay, member), (who.role, member, opened)
    if opened["op"] == "joined":
        assert (await socket.ask("leave", room=opened["room"]))["op"] == "ack"


async def check_own_and_ops(socket: Socket, who: Who, somebody_elses: str) -> None:
    """Another's own room is nobody's; `ops` is for those who operate."""
    assert (await socket.ask("join", room=somebody_elses))["code"] == "access.denied"
    ops = await socket.ask("join", room="ops")
    assert (ops["op"] == "joined") == allowed(Action.OPS_JOIN, who)


def may(who: Who, kind: type[p.ClientFrame], member: ProjectRole | None) -> bool:
    action = NEEDS[kind]
    return action is None or allowed(action, who, project_role=member)
