"""The commands that read, for every role, show what domain.access allows, and nothing else."""

from uuid import UUID, uuid4

import pytest

from domain.access import Action, Who, allowed
from domain.email import EMAIL, ReserveEmail, email_stream
from domain.user import USER, RegisterUser, Role
from infra.eventstore.execute import Do
from infra.runtime import SYSTEM, Runtime
from tests.integration.command import formula

ADMIN = UUID(int=7)
NEEDS: dict[tuple[str, ...], Action] = {
    ("audit",): Action.AUDIT_READ,
    ("audit", "tree", "1"): Action.AUDIT_READ,
    ("events", "tail", "--after", "0", "--limit", "1"): Action.LOG_READ,
    ("events", "show", str(ADMIN)): Action.LOG_READ,
}


@pytest.fixture
async def staffed(projected: Runtime) -> Runtime:
    """There is a user of every role."""
    for role in Role:
        email, now = f"{role}@example.org", projected.now()
        user = ADMIN if role is Role.ADMIN else uuid4()
        register = RegisterUser(email=email, name=role, role=role, at=now)
        reserve = Do(EMAIL, email_stream(email), ReserveEmail(user=user))
        await projected.execute(SYSTEM, USER, user, register, reserve)
    return projected


@pytest.mark.parametrize("command", NEEDS)
async def test_a_command_asks_as_a_user(command: tuple[str, ...], staffed: Runtime) -> None:
    may = {role for role in Role if allowed(NEEDS[command], Who(uuid4(), role))}
    assert 0 < len(may) < len(Role)
    for role in (Role.AUDITOR, Role.ADMIN, Role.MANAGER, Role.GUEST, Role.OPERATOR):
        code, out, err = await formula(staffed, *command, "--as", f"{role}@example.org")
        assert (code == 0) == (role in may), (role, err)
        assert bool(out) == (role in may)
        assert ("access.denied" in err) == (role not in may)


async def test_a_stranger_reads_nothing(staffed: Runtime) -> None:
    code, out, err = await formula(staffed, "audit", "--as", "nobody@example.org")
    assert (code, out) == (1, "")
    assert "user.not_found" in err


async def test_who_holds_the_databases_password_sees_all(staffed: Runtime) -> None:
    code, out, _ = await formula(staffed, "events", "show", str(ADMIN))
    assert code == 0
    assert "user.registered" in out
