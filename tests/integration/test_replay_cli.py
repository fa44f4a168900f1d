"""formula replay: the same past in the terminal, by the same rights."""

import json
from uuid import UUID, uuid4

import pytest

from domain.email import EMAIL, ReserveEmail, email_stream
from domain.project import PROJECT, AddMember, ChangeProject, CreateProject, ProjectRole
from domain.user import USER, RegisterUser, Role
from infra.eventstore.execute import Do
from infra.runtime import SYSTEM, Runtime
from tests.integration.command import formula

ANN = UUID(int=1)


async def register(runtime: Runtime, name: str) -> UUID:
    user, email, now = uuid4(), f"{name.lower()}@example.org", runtime.now()
    wanted = RegisterUser(email=email, name=name, role=Role.MEMBER, at=now)
    reserve = Do(EMAIL, email_stream(email), ReserveEmail(user=user))
    await runtime.execute(SYSTEM, USER, user, wanted, reserve)
    return user


@pytest.fixture
async def project(projected: Runtime) -> UUID:
    project = uuid4()
    create = CreateProject(name="Before", manager=ANN, at=projected.now())
    await projected.execute(SYSTEM, PROJECT, project, create)
    await projected.execute(SYSTEM, PROJECT, project, ChangeProject(name="After"))
    return project


async def test_the_past_is_shown_played_and_compared(projected: Runtime, project: UUID) -> None:
    code, out, err = await formula(projected, "replay", str(project), "--at", "2", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["project"]["name"] == "Before"
    _, out, _ = await formula(projected, "replay", str(project))
    assert out.startswith("After  planning  at 3")
    played = ("replay", str(project), "--from", "0", "--speed", "1000")
    _, out, _ = await formula(projected, *played, "--json")
    assert [json.loads(line)["pos"] for line in out.splitlines()] == [1, 2, 3]
    _, out, _ = await formula(projected, *played)
    assert [line.split()[3] for line in out.splitlines()][-1] == "project.changed"
    _, out, _ = await formula(projected, "replay", str(project), "--from", "2", "--diff")
    assert 'name: "Before" -> "After"' in out


async def test_what_cannot_be_shown_is_said_in_one_line(projected: Runtime, project: UUID) -> None:
    for arguments, code in {
        ("--at", "soon"): "replay.bad_moment",
        ("--at", "99"): "replay.not_yet",
        ("--at", "0"): "replay.not_created_yet",
        ("--diff",): "replay.diff_needs_from",
    }.items():
        status, out, err = await formula(projected, "replay", str(project), *arguments)
        assert (status, out, err.strip()) == (1, "", f"formula: {code}")


async def test_members_may_look_back_and_strangers_may_not(
    projected: Runtime, project: UUID
) -> None:
    ben, _ = await register(projected, "Ben"), await register(projected, "Eve")
    add = AddMember(user=ben, role=ProjectRole.VIEWER)
    await projected.execute(SYSTEM, PROJECT, project, add)
    command = ("replay", str(project), "--as")
    code, out, _ = await formula(projected, *command, "ben@example.org")
    assert (code, out.split()[0]) == (0, "After")
    code, out, err = await formula(projected, *command, "eve@example.org")
    assert (code, out, err.strip()) == (1, "", "formula: project.not_found")
