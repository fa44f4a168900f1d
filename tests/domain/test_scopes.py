from uuid import UUID

import pytest

from domain.access import Action, Who, allowed
from domain.errors import Invalid
from domain.project import ProjectRole
from domain.scopes import NEVER, READ, WRITE, actions_of, check
from domain.user import Role

ADMIN = Who(UUID(int=1), Role.ADMIN)


def keyed(role: Role, *scopes: str) -> Who:
    return Who(UUID(int=1), role, actions_of(scopes))


@pytest.mark.parametrize("action", sorted(Action))
def test_no_key_may_more_than_its_owner(action: Action) -> None:
    for role in Role:
        for member in (None, *ProjectRole):
            for oneself in (False, True):
                owner = allowed(
                    action, Who(UUID(int=1), role), project_role=member, oneself=oneself
                )
                key = keyed(role, READ, WRITE, action.value)
                may = allowed(action, key, project_role=member, oneself=oneself)
                assert may == (owner and action not in NEVER)


def test_a_key_may_what_it_is_for_and_nothing_else() -> None:
    key = keyed(Role.ADMIN, "task.read")
    assert [action for action in Action if allowed(action, key)] == [Action.TASK_READ]


def test_reading_changes_nothing() -> None:
    reading = actions_of([READ])
    changing = ("write", "change", "create", "manage", "steal", "delete", "act", "lock", "place")
    assert not [action for action in reading if action.value.endswith(changing)]
    assert {Action.TASK_READ, Action.PROJECT_LIST, Action.ROOM_JOIN} <= reading


def test_to_write_is_to_read_as_well_but_accounts_are_named() -> None:
    writing = actions_of([WRITE])
    assert actions_of([READ]) < writing
    accounts = {Action.USER_CHANGE, Action.USER_CHANGE_ROLE, Action.USER_DEACTIVATE}
    assert not accounts & writing
    assert actions_of([Action.USER_CHANGE.value]) == {Action.USER_CHANGE}


@pytest.mark.parametrize("scope", ["", "everything", "READ", "*", *sorted(NEVER)])
def test_a_scope_that_allows_nothing_is_refused(scope: str) -> None:
    assert not actions_of([scope])
    with pytest.raises(Invalid, match="bad_scope"):
        check(["read", scope])
