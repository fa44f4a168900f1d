"""The table is complete, and says what people were promised."""

from uuid import UUID

import pytest

from domain import access
from domain.access import RULES, Action, Who, allowed, require
from domain.errors import NotAllowed
from domain.project import ProjectRole
from domain.user import Role

MANAGER, CONTRIBUTOR, VIEWER = ProjectRole.MANAGER, ProjectRole.CONTRIBUTOR, ProjectRole.VIEWER

READ = {
    Action.PROJECT_READ,
    Action.TASK_READ,
    Action.DOCUMENT_READ,
    Action.FILE_READ,
    Action.ACTIVITY_READ,
    Action.REPLAY_READ,
    Action.REPORT_PROJECT,
    Action.REPORT_ACTIVITY,
}
VIEW = READ | {Action.ROOM_JOIN, Action.ROOM_ACT}
CONTRIBUTE = VIEW | {
    Action.TASK_WRITE,
    Action.TASK_COMMENT,
    Action.DOCUMENT_WRITE,
    Action.FILE_WRITE,
    Action.ROOM_LOCK,
}
MANAGE = CONTRIBUTE | {
    Action.PROJECT_CHANGE,
    Action.PROJECT_MEMBERS,
    Action.TASK_MODERATE,
    Action.DOCUMENT_REMOVE,
    Action.ROOM_STEAL,
}

SIGNED_IN = {Action.STATUS_READ, Action.PROJECT_LIST}
STAFF = SIGNED_IN | {
    Action.PRESENCE_READ,
    Action.USER_LIST,
    Action.USER_READ,
    Action.CLIENT_READ,
}
READER = SIGNED_IN | {
    Action.PRESENCE_READ,
    Action.COLLABORATION_READ,
    Action.PROJECT_LIST_ALL,
    Action.PROJECT_READ,
    Action.TASK_READ,
    Action.DOCUMENT_READ,
    Action.FILE_READ,
    Action.ANALYTICS_QUERY,
    Action.ANALYTICS_SAVE,
    Action.REPORT_PROJECT,
}
EVERYWHERE: dict[Role, set[Action]] = {
    Role.ADMIN: set(Action),
    Role.MANAGER: STAFF
    | {
        Action.CLIENT_WRITE,
        Action.PROJECT_CREATE,
        Action.COLLABORATION_READ,
        Action.ANALYTICS_QUERY,
        Action.ANALYTICS_SAVE,
    },
    Role.MEMBER: STAFF,
    Role.GUEST: SIGNED_IN,
    Role.AUDITOR: READER
    | {
        Action.ACTIVITY_READ,
        Action.AUDIT_EXPORT,
        Action.AUDIT_READ,
        Action.AUDIT_SAVE,
        Action.HOLD_PLACE,
        Action.HOLD_READ,
        Action.LOG_READ,
        Action.PROJECTIONS_EXPLAIN,
        Action.REPLAY_READ,
        Action.REPORT_ACTIVITY,
        Action.USER_READ,
    },
    Role.ANALYST: READER,
    Role.OPERATOR: SIGNED_IN
    | {
        Action.PRESENCE_READ,
        Action.COLLABORATION_READ,
        Action.OPS_JOIN,
        Action.HEALTH_READ,
        Action.METRICS_READ,
        Action.LOGGING_MANAGE,
        Action.JOBS_READ,
        Action.JOBS_CHANGE,
        Action.JOBS_MANAGE,
        Action.PROJECTIONS_READ,
        Action.PROJECTIONS_MANAGE,
        Action.NOTIFICATION_ANNOUNCE,
        Action.REPORT_PERFORMANCE,
        Action.BENCHMARK_READ,
        Action.ALERTS_READ,
        Action.ALERTS_MANAGE,
        Action.USER_READ,
    },
}
ONESELF = {
    Action.USER_READ,
    Action.USER_CHANGE,
    Action.USER_SET_PASSWORD,
    Action.USER_SESSIONS,
    Action.USER_API_KEYS,
    Action.USER_PREFERENCES,
    Action.ACTIVITY_READ,
    Action.NOTIFICATION_READ,
    Action.RECEIPT_READ,
    Action.RECEIPT_WRITE,
    Action.REPORT_ACTIVITY,
    Action.JOBS_READ,
    Action.JOBS_CHANGE,
}


def who(role: Role) -> Who:
    return Who(UUID(int=1), role)


def test_every_action_has_a_rule() -> None:
    assert set(RULES) == set(Action)


@pytest.mark.parametrize("role", Role)
def test_a_role_allows_exactly_what_it_is_for(role: Role) -> None:
    assert {action for action in Action if allowed(action, who(role))} == EVERYWHERE[role]


@pytest.mark.parametrize(
    ("member", "actions"), [(MANAGER, MANAGE), (CONTRIBUTOR, CONTRIBUTE), (VIEWER, VIEW)]
)
@pytest.mark.parametrize("role", Role)
def test_a_project_role_adds_what_it_is_for(
    role: Role, member: ProjectRole, actions: set[Action]
) -> None:
    may = {action for action in Action if allowed(action, who(role), project_role=member)}
    assert may == EVERYWHERE[role] | actions


@pytest.mark.parametrize("role", Role)
def test_everybody_may_do_a_few_things_to_themselves(role: Role) -> None:
    may = {action for action in Action if allowed(action, who(role), oneself=True)}
    assert may == EVERYWHERE[role] | ONESELF


def test_what_no_rule_allows_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "RULES", {})
    assert not allowed(Action.STATUS_READ, who(Role.ADMIN), project_role=MANAGER, oneself=True)


def test_a_denial_names_the_action() -> None:
    with pytest.raises(NotAllowed) as caught:
        require(Action.TASK_WRITE, who(Role.MEMBER), project_role=VIEWER)
    assert caught.value.code == "access.denied"
    assert caught.value.detail == {"action": "task.write"}


def test_what_is_allowed_passes() -> None:
    require(Action.TASK_WRITE, who(Role.GUEST), project_role=CONTRIBUTOR)
    require(Action.USER_CHANGE, who(Role.GUEST), oneself=True)
