"""The indexes of what analysts read, each with the query it serves."""

from projections.served import Served, of, sql

ANALYTICS = (
    Served("task_flow_pkey", "a task, for its change", of("task_flow", "task", "task")),
    Served("task_flow_project_done_at_idx", "of a project", of("task_flow", "project", "done_at")),
    Served("task_moves_pkey", "of a task", of("task_moves", "task", "version")),
    Served(
        "task_moves_at_idx",
        "since a time",
        sql("SELECT * FROM task_moves WHERE at > %(at)s ORDER BY at LIMIT 50"),
    ),
    Served("stays_pkey", "a stay, for its end", of("stays", "participation", "joined_at")),
    Served(
        "stays_room_joined_at_idx",
        "in a room",
        sql("SELECT * FROM stays WHERE room = 'room 7' ORDER BY joined_at LIMIT 50"),
    ),
    Served("stays_project_joined_at_idx", "in a project", of("stays", "project", "joined_at")),
    Served("stays_person_joined_at_idx", "of a person", of("stays", "person", "joined_at")),
    Served(
        "contacts_pkey",
        "since a position",
        sql("SELECT * FROM contacts WHERE position > 77777 ORDER BY position, other LIMIT 50"),
    ),
    Served("contacts_project_person_idx", "in a project", of("contacts", "project", "person")),
    Served("contacts_person_at_idx", "of a person", of("contacts", "person", "at")),
    Served("contacts_other_at_idx", "with a person", of("contacts", "other", "at")),
    Served("contacts_subject_at_idx", "over a record", of("contacts", "subject", "at")),
    Served("task_hands_pkey", "on a task", of("task_hands", "task", "person")),
    Served("task_hands_project_task_idx", "in a project", of("task_hands", "project", "task")),
    Served("task_hands_person_last_at_idx", "of a person", of("task_hands", "person", "last_at")),
    Served(
        "lock_holds_pkey",
        "a hold",
        sql("SELECT * FROM lock_holds WHERE stream = %(id)s AND token = 7"),
    ),
    Served(
        "lock_holds_stream_idx",
        "the open hold, for its end",
        sql("SELECT * FROM lock_holds WHERE stream = %(id)s AND ended_at IS NULL"),
    ),
    Served(
        "lock_holds_project_resource_acquired_at_idx",
        "of a resource",
        sql("SELECT * FROM lock_holds WHERE project = %(id)s ORDER BY resource LIMIT 50"),
    ),
    Served(
        "lock_holds_holder_acquired_at_idx",
        "of a holder",
        of("lock_holds", "holder", "acquired_at"),
    ),
    Served("task_history_pkey", "of a task", of("task_history", "task", "version")),
    Served(
        "task_history_task_idx",
        "a task as it is",
        sql("SELECT * FROM task_history WHERE task = %(id)s AND valid_to IS NULL"),
    ),
    Served(
        "task_history_assignee_idx",
        "of an assignee now",
        sql("SELECT * FROM task_history WHERE assignee = %(id)s AND valid_to IS NULL"),
    ),
    Served(
        "task_history_project_valid_from_idx",
        "in a project",
        of("task_history", "project", "valid_from"),
    ),
    Served("project_history_pkey", "of a project", of("project_history", "project", "version")),
    Served(
        "project_history_project_idx",
        "a project as it is",
        sql("SELECT * FROM project_history WHERE project = %(id)s AND valid_to IS NULL"),
    ),
    Served(
        "project_history_client_idx",
        "of a client now",
        sql("SELECT * FROM project_history WHERE client = %(id)s AND valid_to IS NULL"),
    ),
    Served(
        "project_history_manager_idx",
        "of a manager now",
        sql("SELECT * FROM project_history WHERE manager = %(id)s AND valid_to IS NULL"),
    ),
)
