"""Every index of the read tables and of the tables that grow, each with the query it serves.

A new index is a new line here: a test runs the queries at a million rows and fails when one goes
another way, when an index is in no line, and when a column that names a record has no index.
"""

from functools import partial

from domain.audit import AuditFilter
from domain.client import ClientStatus
from domain.preferences import Notice
from domain.priority import Priority
from domain.project import ProjectStatus
from domain.task import TaskStatus
from domain.user import Role, UserStatus
from projections.activity import activity_of_project, activity_of_user
from projections.alerts import history_of
from projections.audit_list import list_audit
from projections.clients import get_client, list_clients
from projections.digests import Hour, due_digests
from projections.documents import get_document, list_documents
from projections.indexes_analytics import ANALYTICS
from projections.indexes_files import FILES
from projections.indexes_jobs import JOBS
from projections.locks import expired_locks, locks_of
from projections.members import members_of, online_users, presence_of
from projections.notifications import notifications_of, unread_daily
from projections.preferences import channels_of
from projections.projects import (
    get_project,
    list_projects,
    project_members_of,
    projects_of_user,
)
from projections.reactions import reactions_to
from projections.receipts import receipts_of, unread_of
from projections.room_log import missed
from projections.served import AT, DAY, ID, NEXT, Query, Served, of, sql
from projections.tasks import comments_of, get_task, list_tasks
from projections.users import get_user, list_users


def audit(wanted: AuditFilter) -> Query:
    return lambda db: list_audit(db, wanted)


READS = (
    Served("alert_history_pkey", "of a rule", partial(history_of, rule="rule 7")),
    Served("users_pkey", "a person", partial(get_user, user=ID)),
    Served("users_name_id_idx", "people by name", list_users),
    Served("users_role_name_id_idx", "of a role", partial(list_users, role=Role.AUDITOR)),
    Served(
        "users_status_name_id_idx",
        "of a status",
        partial(list_users, status=UserStatus.DEACTIVATED),
    ),
    Served(
        "users_department_name_id_idx",
        "of a department",
        partial(list_users, department="department 7"),
    ),
    Served("users_email_idx", "by address", partial(list_users, email="email 7")),
    Served(
        "users_created_at_id_idx",
        "who came since",
        sql("SELECT * FROM users WHERE created_at > %(at)s ORDER BY created_at, id LIMIT 50"),
    ),
    Served("users_to_tsvector_idx", "by words", partial(list_users, search="c7777")),
    Served("clients_pkey", "a client", partial(get_client, client=ID)),
    Served("clients_name_id_idx", "clients by name", list_clients),
    Served(
        "clients_status_name_id_idx",
        "of a status",
        partial(list_clients, status=ClientStatus.ARCHIVED),
    ),
    Served("clients_to_tsvector_idx", "by words", partial(list_clients, search="c7777")),
    Served("projects_pkey", "a project", partial(get_project, project=ID)),
    Served("projects_created_at_id_idx", "projects, newest first", list_projects),
    Served(
        "projects_status_created_at_id_idx",
        "of a status",
        partial(list_projects, status=ProjectStatus.ACTIVE),
    ),
    Served(
        "projects_priority_created_at_id_idx",
        "of a priority",
        partial(list_projects, priority=Priority.HIGH),
    ),
    Served("projects_type_created_at_id_idx", "of a type", partial(list_projects, type="type 7")),
    Served("projects_client_created_at_id_idx", "of a client", partial(list_projects, client=ID)),
    Served(
        "projects_manager_created_at_id_idx", "of a manager", partial(list_projects, manager=ID)
    ),
    Served(
        "projects_starts_idx",
        "that start then",
        partial(list_projects, starts_after=DAY, starts_before=NEXT),
    ),
    Served(
        "projects_ends_idx",
        "that end then",
        partial(list_projects, ends_after=DAY, ends_before=NEXT),
    ),
    Served("projects_to_tsvector_idx", "by words", partial(list_projects, search="c7777")),
    Served("project_members_pkey", "who is in it", partial(project_members_of, project=ID)),
    Served(
        "project_members_user_id_project_idx", "what one is in", partial(projects_of_user, user=ID)
    ),
    Served("tasks_pkey", "a task", partial(get_task, task=ID)),
    Served("tasks_created_at_id_idx", "tasks, newest first", list_tasks),
    Served("tasks_project_created_at_id_idx", "of a project", partial(list_tasks, project=ID)),
    Served(
        "tasks_project_status_created_at_id_idx",
        "of a project and a status",
        partial(list_tasks, project=ID, status=TaskStatus.DONE),
    ),
    Served("tasks_assignee_created_at_id_idx", "of an assignee", partial(list_tasks, assignee=ID)),
    Served(
        "tasks_assignee_status_created_at_id_idx",
        "of an assignee and a status",
        partial(list_tasks, assignee=ID, status=TaskStatus.DONE),
    ),
    Served(
        "tasks_status_created_at_id_idx", "of a status", partial(list_tasks, status=TaskStatus.DONE)
    ),
    Served(
        "tasks_priority_created_at_id_idx",
        "of a priority",
        partial(list_tasks, priority=Priority.HIGH),
    ),
    Served(
        "tasks_due_idx", "that are due then", partial(list_tasks, due_after=DAY, due_before=NEXT)
    ),
    Served("tasks_to_tsvector_idx", "by words", partial(list_tasks, search="c7777")),
    Served("documents_pkey", "a document", partial(get_document, document=ID)),
    Served("documents_created_at_id_idx", "documents, newest first", list_documents),
    Served(
        "documents_project_created_at_id_idx", "of a project", partial(list_documents, project=ID)
    ),
    Served("documents_to_tsvector_idx", "by words", partial(list_documents, search="c7777")),
    Served("document_fields_pkey", "what it says", partial(get_document, document=ID)),
    Served(
        "document_fields_to_tsvector_idx",
        "by words of a field",
        partial(list_documents, search="c7777"),
    ),
    Served(
        "comments_pkey",
        "a comment, for its change",
        sql("SELECT * FROM comments WHERE task = %(id)s AND id = %(id)s"),
    ),
    Served("reactions_pkey", "to a task's comments", partial(reactions_to, task=ID, targets=[ID])),
    Served("comments_task_position_idx", "of a task", partial(comments_of, task=ID, limit=5)),
    Served("comments_project_position_idx", "in a project", of("comments", "project", "position")),
    Served("comments_author_position_idx", "of an author", of("comments", "author", "position")),
    Served("notifications_pkey", "one, for its change", of("notifications", "id", "id")),
    Served("notifications_user_id_position_idx", "somebody's", partial(notifications_of, user=ID)),
    Served(
        "notifications_user_id_position_idx1",
        "what somebody has not read",
        partial(notifications_of, user=ID, unread=True),
    ),
    Served(
        "notifications_user_id_position_idx2",
        "what comes with somebody's digest",
        partial(unread_daily, user=ID, kinds=["kind 7"], after=7, upto=77_777, limit=50),
    ),
    Served(
        "preferences_pkey", "when somebody's digest comes", of("preferences", "user_id", "zone")
    ),
    Served(
        "preferences_zone_digest_hour_user_id_idx",
        "whose hour it is",
        partial(due_digests, hours=[Hour("zone 7", 7, DAY)]),
    ),
    Served(
        "notice_channels_pkey",
        "what people have chosen",
        partial(channels_of, notice=Notice.REPORT, users=[ID]),
    ),
    Served("digests_pkey", "up to where somebody's digest was", of("digests", "user_id", "upto")),
    Served(
        "notifications_project_position_idx",
        "about a project",
        of("notifications", "project", "position"),
    ),
    Served("activity_pkey", "the newest", sql("SELECT * FROM activity ORDER BY 1 DESC LIMIT 50")),
    Served(
        "activity_project_position_idx", "in a project", partial(activity_of_project, project=ID)
    ),
    Served("activity_actor_position_idx", "of a person", partial(activity_of_user, user=ID)),
    Served("activity_subject_position_idx", "of a record", of("activity", "subject", "position")),
    Served("members_pkey", "a member, for its change", of("members", "participation", "pos")),
    Served("members_room_participation_idx", "in a room", partial(members_of, room="room 7")),
    Served("members_user_id_participation_idx", "who is online", online_users),
    Served("last_seen_pkey", "when somebody was there last", partial(presence_of, user=ID)),
    Served("members_node_participation_idx", "through a node", of("members", "node", "joined_at")),
    Served(
        "members_project_room_idx",
        "in the rooms of a project",
        sql("SELECT * FROM members WHERE project = %(id)s ORDER BY room LIMIT 50"),
    ),
    Served("locks_pkey", "a lock, for its change", of("locks", "stream", "token")),
    Served("locks_project_resource_idx", "in a project", partial(locks_of, project=ID)),
    Served("lock_waiters_pkey", "its queue", of("lock_waiters", "stream", "participation")),
    Served("locks_holder_stream_idx", "of a holder", of("locks", "holder", "stream")),
    Served(
        "locks_expires_at_stream_idx", "that are over", partial(expired_locks, now=AT, limit=50)
    ),
    Served("locks_participation_stream_idx", "of a stay", of("locks", "participation", "stream")),
    Served("room_log_pkey", "what one missed", partial(missed, room="room 7", after=0, limit=50)),
    Served(
        "receipts_pkey",
        "who has seen a room",
        partial(receipts_of, room="room 7"),
    ),
    Served("receipts_user_id_room_idx", "what one has not seen", partial(unread_of, user=ID)),
    Served(
        "room_heads_pkey",
        "where a room is",
        sql("SELECT pos FROM room_heads WHERE room = 'room 7'"),
    ),
    Served(
        "timeline_pkey",
        "a project's events",
        sql("SELECT position FROM timeline WHERE project = %(id)s ORDER BY position LIMIT 50"),
    ),
    Served(
        "timeline_streams_pkey", "a stream's project", of("timeline_streams", "stream", "stream")
    ),
    Served("audit_pkey", "everything, newest first", audit(AuditFilter())),
    Served("audit_at_position_idx", "since a time", audit(AuditFilter(since=AT))),
    Served("audit_actor_position_idx", "by a person", audit(AuditFilter(actor=ID))),
    Served("audit_api_key_position_idx", "by a key", of("audit", "api_key", "position")),
    Served(
        "audit_on_behalf_of_position_idx",
        "on somebody's behalf",
        of("audit", "on_behalf_of", "position"),
    ),
    Served(
        "audit_aggregate_position_idx", "of a table", audit(AuditFilter(aggregate="aggregate 7"))
    ),
    Served("audit_subject_position_idx", "of a record", audit(AuditFilter(subject=ID))),
    Served("audit_type_position_idx", "of an action", audit(AuditFilter(type="type 7"))),
    Served("audit_project_position_idx", "in a project", audit(AuditFilter(project=ID))),
    Served(
        "audit_causation_position_idx",
        "what an event caused",
        sql("SELECT * FROM audit WHERE causation = 'causation 7' ORDER BY position LIMIT 50"),
    ),
    Served("audit_to_tsvector_idx", "by words", audit(AuditFilter(search="c7777"))),
)
STORE = (
    Served(
        "formula_events_pkey",
        "a stream",
        of("formula_events", "originator_id", "originator_version"),
    ),
    Served(
        "formula_events_notification_id_idx",
        "the log in order",
        sql(
            "SELECT * FROM formula_events WHERE notification_id > 7"
            " ORDER BY notification_id LIMIT 50"
        ),
    ),
    Served(
        "formula_events_command_id_idx",
        "a command's events",
        of("formula_events", "command_id", "notification_id"),
    ),
    Served(
        "formula_credentials_pkey", "a password", of("formula_credentials", "user_id", "user_id")
    ),
    Served(
        "formula_refresh_tokens_pkey",
        "a token",
        sql(r"SELECT * FROM formula_refresh_tokens WHERE token_hash = '\x00000007'"),
    ),
    Served(
        "formula_refresh_tokens_family_idx",
        "of a log-in",
        of("formula_refresh_tokens", "family", "token_hash"),
    ),
    Served(
        "formula_refresh_tokens_user_idx",
        "of a person",
        of("formula_refresh_tokens", "user_id", "token_hash"),
    ),
    Served("formula_api_keys_pkey", "a key", of("formula_api_keys", "id", "id")),
    Served("formula_api_keys_user_idx", "of a person", of("formula_api_keys", "user_id", "id")),
    Served(
        "formula_snapshots_pkey", "a stream's state", of("formula_snapshots", "stream", "stream")
    ),
    Served(
        "formula_dead_letters_pkey",
        "of a generation",
        sql(
            "SELECT * FROM formula_dead_letters WHERE generation = 'generation 7'"
            " ORDER BY position LIMIT 50"
        ),
    ),
    Served(
        "formula_dead_letters_stream_idx",
        "of a stream",
        sql(
            "SELECT * FROM formula_dead_letters"
            " WHERE projection = 'projection 7' AND stream = %(id)s"
        ),
    ),
    Served(
        "formula_daily_pkey",
        "of a day",
        sql("SELECT * FROM formula_daily WHERE day = %(day)s", day=DAY),
    ),
    Served("formula_daily_project_idx", "of a project", of("formula_daily", "project", "day")),
    Served(
        "formula_project_days_pkey",
        "what was done on a day",
        sql("SELECT * FROM formula_project_days WHERE day = %(day)s", day=DAY),
    ),
    Served(
        "formula_project_days_project_idx",
        "what was done in a project",
        of("formula_project_days", "project", "day"),
    ),
    Served("formula_keyframes_pkey", "a moment", of("formula_keyframes", "project", "position")),
)
INDEXES = (*READS, *FILES, *ANALYTICS, *STORE, *JOBS)
