"""Role x action x relation: the one table of who may do what. What no rule allows is denied."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.errors import NotAllowed
from domain.project import ProjectRole
from domain.user import Role


class Action(StrEnum):
    USER_LIST = "user.list"
    USER_READ = "user.read"
    USER_REGISTER = "user.register"
    USER_CHANGE = "user.change"
    USER_CHANGE_ROLE = "user.change_role"
    USER_DEACTIVATE = "user.deactivate"
    USER_SET_PASSWORD = "user.set_password"  # noqa: S105, the action's name
    USER_SESSIONS = "user.sessions"
    USER_API_KEYS = "user.api_keys"
    USER_PREFERENCES = "user.preferences"
    CLIENT_READ = "client.read"
    CLIENT_WRITE = "client.write"
    PROJECT_LIST = "project.list"
    PROJECT_LIST_ALL = "project.list_all"
    PROJECT_READ = "project.read"
    PROJECT_CREATE = "project.create"
    PROJECT_CHANGE = "project.change"
    PROJECT_MEMBERS = "project.members"
    TASK_READ = "task.read"
    TASK_WRITE = "task.write"
    TASK_COMMENT = "task.comment"
    TASK_MODERATE = "task.moderate"
    DOCUMENT_READ = "document.read"
    DOCUMENT_WRITE = "document.write"
    DOCUMENT_REMOVE = "document.remove"
    FILE_READ = "file.read"
    FILE_WRITE = "file.write"
    FILE_DELETE = "file.delete"
    ACTIVITY_READ = "activity.read"
    AUDIT_READ = "audit.read"
    AUDIT_SAVE = "audit.save"
    AUDIT_EXPORT = "audit.export"
    HOLD_READ = "hold.read"
    HOLD_PLACE = "hold.place"
    LOG_READ = "log.read"
    REPLAY_READ = "replay.read"
    ROOM_JOIN = "room.join"
    ROOM_ACT = "room.act"
    ROOM_LOCK = "room.lock"
    ROOM_STEAL = "room.steal"
    OPS_JOIN = "ops.join"
    PRESENCE_READ = "presence.read"
    COLLABORATION_READ = "collaboration.read"
    STATUS_READ = "status.read"
    HEALTH_READ = "health.read"
    NOTIFICATION_ANNOUNCE = "notification.announce"
    NOTIFICATION_READ = "notification.read"
    RECEIPT_READ = "receipt.read"
    RECEIPT_WRITE = "receipt.write"
    JOBS_READ = "jobs.read"
    JOBS_CHANGE = "jobs.change"
    JOBS_MANAGE = "jobs.manage"
    PROJECTIONS_READ = "projections.read"
    PROJECTIONS_MANAGE = "projections.manage"
    PROJECTIONS_EXPLAIN = "projections.explain"
    ALERTS_READ = "alerts.read"
    ALERTS_MANAGE = "alerts.manage"
    ANALYTICS_QUERY = "analytics.query"
    ANALYTICS_SAVE = "analytics.save"
    METRICS_READ = "metrics.read"
    LOGGING_MANAGE = "logging.manage"
    REPORT_PROJECT = "report.project"
    REPORT_ACTIVITY = "report.activity"
    REPORT_PERFORMANCE = "report.performance"
    BENCHMARK_RUN = "benchmark.run"
    BENCHMARK_READ = "benchmark.read"


class Who(msgspec.Struct, frozen=True):
    """Somebody who asks."""

    id: UUID
    role: Role
    scopes: frozenset[Action] | None = None  # what an API key is for; None: all that its owner may


class Rule(msgspec.Struct, frozen=True):
    """Allowed to `roles` everywhere, to `members` in the project concerned, on `oneself`."""

    roles: frozenset[Role] = frozenset()
    members: frozenset[ProjectRole] = frozenset()
    oneself: bool = False


def _rule(
    *roles: Role, members: frozenset[ProjectRole] = frozenset(), oneself: bool = False
) -> Rule:
    """Admins may do everything: they are in every rule."""
    return Rule(frozenset({Role.ADMIN, *roles}), members, oneself)


EVERYBODY = tuple(Role)
STAFF = (Role.MANAGER, Role.MEMBER)
READERS = (Role.AUDITOR, Role.ANALYST)

IN_PROJECT = frozenset(ProjectRole)
WORKING = frozenset({ProjectRole.MANAGER, ProjectRole.CONTRIBUTOR})
MANAGING = frozenset({ProjectRole.MANAGER})

RULES: Mapping[Action, Rule] = {
    Action.USER_LIST: _rule(*STAFF),
    # To auditors and operators the log and its rooms tell ids: who that is they may look up.
    Action.USER_READ: _rule(*STAFF, Role.AUDITOR, Role.OPERATOR, oneself=True),
    Action.USER_REGISTER: _rule(),
    Action.USER_CHANGE: _rule(oneself=True),
    Action.USER_CHANGE_ROLE: _rule(),
    Action.USER_DEACTIVATE: _rule(),
    Action.USER_SET_PASSWORD: _rule(oneself=True),
    Action.USER_SESSIONS: _rule(oneself=True),
    Action.USER_API_KEYS: _rule(oneself=True),
    Action.USER_PREFERENCES: _rule(oneself=True),
    Action.CLIENT_READ: _rule(*STAFF),
    Action.CLIENT_WRITE: _rule(Role.MANAGER),
    Action.PROJECT_LIST: _rule(*EVERYBODY),  # one's own
    Action.PROJECT_LIST_ALL: _rule(*READERS),
    Action.PROJECT_READ: _rule(*READERS, members=IN_PROJECT),
    Action.PROJECT_CREATE: _rule(Role.MANAGER),
    Action.PROJECT_CHANGE: _rule(members=MANAGING),
    Action.PROJECT_MEMBERS: _rule(members=MANAGING),
    Action.TASK_READ: _rule(*READERS, members=IN_PROJECT),
    Action.TASK_WRITE: _rule(members=WORKING),
    Action.TASK_COMMENT: _rule(members=WORKING),
    Action.TASK_MODERATE: _rule(members=MANAGING),
    Action.DOCUMENT_READ: _rule(*READERS, members=IN_PROJECT),
    Action.DOCUMENT_WRITE: _rule(members=WORKING),
    Action.DOCUMENT_REMOVE: _rule(members=MANAGING),
    Action.FILE_READ: _rule(*READERS, members=IN_PROJECT),
    Action.FILE_WRITE: _rule(members=WORKING),
    Action.FILE_DELETE: _rule(),
    Action.ACTIVITY_READ: _rule(Role.AUDITOR, members=IN_PROJECT, oneself=True),
    Action.AUDIT_READ: _rule(Role.AUDITOR),
    Action.AUDIT_SAVE: _rule(Role.AUDITOR),  # one's own searches
    Action.AUDIT_EXPORT: _rule(Role.AUDITOR),
    Action.HOLD_READ: _rule(Role.AUDITOR),
    Action.HOLD_PLACE: _rule(Role.AUDITOR),
    Action.LOG_READ: _rule(Role.AUDITOR),
    Action.REPLAY_READ: _rule(Role.AUDITOR, members=IN_PROJECT),
    Action.ROOM_JOIN: _rule(members=IN_PROJECT),
    Action.ROOM_ACT: _rule(members=IN_PROJECT),
    Action.ROOM_LOCK: _rule(members=WORKING),
    Action.ROOM_STEAL: _rule(members=MANAGING),
    Action.OPS_JOIN: _rule(Role.OPERATOR),
    Action.PRESENCE_READ: _rule(*STAFF, *READERS, Role.OPERATOR),
    Action.COLLABORATION_READ: _rule(Role.MANAGER, *READERS, Role.OPERATOR),
    Action.STATUS_READ: _rule(*EVERYBODY),
    Action.HEALTH_READ: _rule(Role.OPERATOR),
    Action.NOTIFICATION_ANNOUNCE: _rule(Role.OPERATOR),
    Action.NOTIFICATION_READ: _rule(oneself=True),
    Action.RECEIPT_READ: _rule(oneself=True),
    Action.RECEIPT_WRITE: _rule(oneself=True),  # of rooms that one may be in
    Action.JOBS_READ: _rule(Role.OPERATOR, oneself=True),  # those that one asked for
    Action.JOBS_CHANGE: _rule(Role.OPERATOR, oneself=True),
    Action.JOBS_MANAGE: _rule(Role.OPERATOR),
    Action.PROJECTIONS_READ: _rule(Role.OPERATOR),
    Action.PROJECTIONS_MANAGE: _rule(Role.OPERATOR),
    Action.PROJECTIONS_EXPLAIN: _rule(Role.AUDITOR),  # shows what is in the rows
    Action.ALERTS_READ: _rule(Role.OPERATOR),
    Action.ALERTS_MANAGE: _rule(Role.OPERATOR),
    Action.ANALYTICS_QUERY: _rule(Role.MANAGER, *READERS),  # managers: their own projects
    Action.ANALYTICS_SAVE: _rule(Role.MANAGER, *READERS),  # one's own questions
    Action.METRICS_READ: _rule(Role.OPERATOR),
    Action.LOGGING_MANAGE: _rule(Role.OPERATOR),
    # Reports show what may be read: these are as project.read and activity.read.
    Action.REPORT_PROJECT: _rule(*READERS, members=IN_PROJECT),
    Action.REPORT_ACTIVITY: _rule(Role.AUDITOR, members=IN_PROJECT, oneself=True),
    Action.REPORT_PERFORMANCE: _rule(Role.OPERATOR),
    Action.BENCHMARK_RUN: _rule(),  # it takes the machine's cores from those who work
    Action.BENCHMARK_READ: _rule(Role.OPERATOR),
}


def in_scope(action: Action, who: Who) -> bool:
    """Whether they themselves ask, or by an API key that is for this."""
    return who.scopes is None or action in who.scopes


def allowed(
    action: Action, who: Who, *, project_role: ProjectRole | None = None, oneself: bool = False
) -> bool:
    """Whether `who` may do `action`, given the relation to what it is done to."""
    if not in_scope(action, who):
        return False
    rule = RULES.get(action, Rule())
    return (
        who.role in rule.roles
        or (project_role is not None and project_role in rule.members)
        or (oneself and rule.oneself)
    )


def require(
    action: Action, who: Who, *, project_role: ProjectRole | None = None, oneself: bool = False
) -> None:
    """Raises NotAllowed unless allowed."""
    if not allowed(action, who, project_role=project_role, oneself=oneself):
        raise NotAllowed("access.denied", action=action.value)
