"""What analysts can ask: each view and function with its meaning, column by column."""

from projections.analytics_days import DAYS
from projections.analytics_history import PROJECT_HISTORY, TASK_HISTORY
from projections.analytics_model import Function, View
from projections.apply import sql_type

PROJECT = "The project's id."
TASK = "The task's id."
SPAN = {
    "version": "The stream's version that made it so.",
    "position": "The log's position of that event.",
    "valid_from": "Since when it was so.",
    "valid_to": "Until when, this not included; null: it is so now.",
}
# What an auditor reads of the log, a member of their project, and who sees all projects.
WORK = "('project', 'task', 'reaction', 'document', 'file', 'participation', 'activity', 'lock')"
TOLD = (
    "(SELECT analytics.sees_accounts() OR (analytics.is_app() AND analytics.viewer() IS NOT NULL))"
)
# Whether one may look up anybody; else whom one's projects show, by name.
ANYBODY = "(SELECT analytics.sees_people())"
STATUS = "todo, in_progress, review, done or cancelled."
PRIORITY = "low, normal, high or urgent."

VIEWS = (
    View(
        name="people",
        about="Users of every role, without their addresses. Who may not look up anybody sees the"
        " members of projects, by name.",
        columns={
            "id": "The person's id, as in every column that names somebody.",
            "name": "What they are called.",
            "role": "What they may do everywhere; null: not yours to see, as what follows.",
            "department": "Where they work; may be empty.",
            "status": "active or deactivated.",
            "created_at": "When they were registered.",
        },
        query="SELECT id, name,"  # noqa: S608, our own text
        + ",".join(
            f" CASE WHEN {ANYBODY} THEN {column} END"
            for column in ("role", "department", "status", "created_at")
        )
        + " FROM {users}.users u WHERE "
        + ANYBODY
        + " OR EXISTS (SELECT FROM {projects}.project_members m WHERE m.user_id = u.id"
        " AND ((SELECT analytics.sees_all()) OR m.project IN"
        " (SELECT o.project FROM {projects}.project_members o"
        " WHERE o.user_id = (SELECT analytics.viewer()))))",
        reads=("users", "projects"),
        filtered=False,
    ),
    View(
        name="projects",
        about="Projects as they are now.",
        columns={
            "project": PROJECT,
            "name": "Its name.",
            "type": "What kind of project; free text.",
            "status": "planning, active, on_hold, completed or archived.",
            "priority": PRIORITY,
            "client": "For whom; a client's id.",
            "manager": "Who manages it.",
            "starts": "First day.",
            "ends": "Last day.",
            "created_at": "When it was made.",
        },
        query="SELECT id AS project, name, type, status, priority, client, manager, starts, ends,"
        " created_at FROM {projects}.projects",
    ),
    View(
        name="project_members",
        about="Who is in which project now, and as what.",
        columns={
            "project": PROJECT,
            "person": "The member.",
            "role": "manager, contributor or viewer.",
        },
        query="SELECT project, user_id AS person, role FROM {projects}.project_members",
    ),
    View(
        name="tasks",
        about="Tasks as they are now.",
        columns={
            "task": TASK,
            "project": PROJECT,
            "title": "What is to be done.",
            "status": STATUS,
            "priority": PRIORITY,
            "assignee": "Who does it; null: nobody.",
            "due": "The day by which it is due.",
            "created_at": "When it was made.",
            "comments": "How many there are.",
        },
        query="SELECT id AS task, project, title, status, priority, assignee, due, created_at,"
        " comments FROM {tasks}.tasks",
        reads=("tasks",),
    ),
    View(
        name="task_history",
        about="Every state that a task was ever in.",
        columns={
            "task": TASK,
            "project": PROJECT,
            "title": "What was to be done.",
            "status": STATUS,
            "priority": PRIORITY,
            "assignee": "Who did it; null: nobody.",
            "due": "The day by which it was due.",
            **SPAN,
        },
        query="SELECT task, project, title, status, priority, assignee, due, version, position,"
        " valid_from, valid_to FROM {analytics_history}.task_history",
        reads=("analytics_history",),
    ),
    View(
        name="project_history",
        about="Every state that a project was ever in.",
        columns={
            "project": PROJECT,
            "name": "Its name.",
            "type": "What kind of project; free text.",
            "status": "planning, active, on_hold, completed or archived.",
            "priority": PRIORITY,
            "client": "For whom; a client's id.",
            "manager": "Who managed it.",
            "starts": "First day.",
            "ends": "Last day.",
            **SPAN,
        },
        query="SELECT project, name, type, status, priority, client, manager, starts, ends,"
        " version, position, valid_from, valid_to FROM {analytics_history}.project_history",
        reads=("analytics_history",),
    ),
    View(
        name="events",
        about="The log: what happened in projects, as it was stored; all else, such as accounts and"
        " alerts, only for auditors. Name a range of positions: the log has no other index.",
        columns={
            "position": "Its place in the one order of all events.",
            "stream": "What it happened to.",
            "version": "Its place in that stream.",
            "type": "The event's tag, such as task.created.v1.",
            "project": "In which project; null: in none.",
            "actor": "Who did it; null: the system, or only auditors and members may see it.",
            "command": "By which kind of command; the same.",
            "at": "When it was stored.",
            "data": "The event's own fields; the same.",
        },
        query="SELECT position, stream, version, tag, project,"  # noqa: S608, our own text
        f" CASE WHEN {TOLD} THEN actor END, CASE WHEN {TOLD} THEN command END, at,"
        f" CASE WHEN {TOLD} THEN data END"
        " FROM (SELECT position, stream, version, tag, (metadata->>'project_id')::uuid AS project,"
        "  (metadata->>'actor')::uuid AS actor, metadata->>'command' AS command,"
        "  recorded_at AS at, data FROM formula_log WHERE version > 0) e"
        " WHERE (SELECT analytics.sees_accounts())"
        f" OR (project IS NOT NULL AND split_part(tag, '.', 1) IN {WORK})",
    ),
    View(
        name="throughput",
        about="Tasks made, done and cancelled, by project and day.",
        columns={
            "project": PROJECT,
            "day": "UTC.",
            "created": "Tasks made on that day.",
            "done": "Times that a task was done on that day; one that was reopened counts again.",
            "cancelled": "Times that a task was cancelled on that day.",
        },
        query="SELECT f.project, (m.at AT TIME ZONE 'UTC')::date AS day,"
        " count(*) FILTER (WHERE m.was IS NULL) AS created,"
        " count(*) FILTER (WHERE m.status = 'done') AS done,"
        " count(*) FILTER (WHERE m.status = 'cancelled') AS cancelled"
        " FROM {analytics_flow}.task_moves m JOIN {analytics_flow}.task_flow f USING (task)"
        " GROUP BY 1, 2",
        reads=("analytics_flow",),
    ),
    View(
        name="cycle_times",
        about="When each task was made, begun and done, and how long that took.",
        columns={
            "task": TASK,
            "project": PROJECT,
            "created_at": "When it was made.",
            "started_at": "When it was first worked on.",
            "done_at": "When it was done; null: it is not done now.",
            "cycle_hours": "From begun to done.",
            "lead_hours": "From made to done.",
        },
        query="SELECT task, project, created_at, started_at, done_at,"
        " extract(epoch FROM done_at - started_at)::float8 / 3600 AS cycle_hours,"
        " extract(epoch FROM done_at - created_at)::float8 / 3600 AS lead_hours"
        " FROM {analytics_flow}.task_flow",
        reads=("analytics_flow",),
    ),
    View(
        name="cycle_time",
        about="How long tasks took, by project and the week in which they were done.",
        columns={
            "project": PROJECT,
            "week": "Its Monday, UTC.",
            "tasks": "Tasks done in that week, and still done.",
            "cycle_p50_hours": "From begun to done, the median.",
            "cycle_p90_hours": "The same: nine of ten took no longer.",
            "lead_p50_hours": "From made to done, the median.",
        },
        query="SELECT project, date_trunc('week', done_at AT TIME ZONE 'UTC')::date AS week,"
        " count(*) AS tasks,"
        " percentile_cont(0.5) WITHIN GROUP"
        "  (ORDER BY extract(epoch FROM done_at - started_at)::float8 / 3600),"
        " percentile_cont(0.9) WITHIN GROUP"
        "  (ORDER BY extract(epoch FROM done_at - started_at)::float8 / 3600),"
        " percentile_cont(0.5) WITHIN GROUP"
        "  (ORDER BY extract(epoch FROM done_at - created_at)::float8 / 3600)"
        " FROM {analytics_flow}.task_flow WHERE done_at IS NOT NULL GROUP BY 1, 2",
        reads=("analytics_flow",),
    ),
    View(
        name="burndown",
        about="Open tasks at the end of each day on which that changed.",
        columns={
            "project": PROJECT,
            "day": "UTC.",
            "opened": "Tasks that came, or came back, on that day.",
            "closed": "Tasks that were done or cancelled on that day.",
            "open": "Tasks open at the end of that day.",
        },
        query="SELECT project, day, opened, closed,"
        " sum(opened - closed) OVER (PARTITION BY project ORDER BY day)::bigint"
        " FROM (SELECT f.project, (m.at AT TIME ZONE 'UTC')::date AS day,"
        "  count(*) FILTER (WHERE m.opened > 0) AS opened,"
        "  count(*) FILTER (WHERE m.opened < 0) AS closed"
        "  FROM {analytics_flow}.task_moves m JOIN {analytics_flow}.task_flow f USING (task)"
        "  GROUP BY 1, 2) days",
        reads=("analytics_flow",),
    ),
    View(
        name="workload",
        about="What each person has open now, by project. For an earlier time count in"
        " analytics.task_as_of(at).",
        columns={
            "project": PROJECT,
            "person": "Who does it; null: nobody.",
            "open": "Tasks that are neither done nor cancelled.",
            "in_progress": "Of those: being worked on, or in review.",
            "urgent": "Of those: high or urgent.",
            "overdue": "Of those: due before today (UTC).",
            "next_due": "The earliest day by which one is due.",
        },
        query="SELECT project, assignee AS person, count(*) AS open,"
        " count(*) FILTER (WHERE status IN ('in_progress', 'review')),"
        " count(*) FILTER (WHERE priority IN ('high', 'urgent')),"
        " count(*) FILTER (WHERE due < (now() AT TIME ZONE 'UTC')::date), min(due)"
        " FROM {analytics_history}.task_history"
        " WHERE valid_to IS NULL AND status NOT IN ('done', 'cancelled') GROUP BY 1, 2",
        reads=("analytics_history",),
    ),
    View(
        name="collaboration",
        about="Who works with whom, by project and kind: mentioned, assigned, took_lock_from (the"
        " person did it to the other), same_task (both changed or commented it).",
        columns={
            "project": PROJECT,
            "person": "Who.",
            "other": "With whom.",
            "kind": "mentioned, assigned, took_lock_from or same_task.",
            "times": "How often; of same_task: how many tasks.",
            "last_at": "When last.",
        },
        query="SELECT project, person, other, kind, count(*) AS times, max(at) AS last_at"
        " FROM {analytics_heat}.contacts GROUP BY 1, 2, 3, 4"
        " UNION ALL SELECT a.project, a.person, b.person, 'same_task', count(*),"
        " max(least(a.last_at, b.last_at))"
        " FROM {analytics_heat}.task_hands a JOIN {analytics_heat}.task_hands b"
        "  ON b.task = a.task AND b.person <> a.person GROUP BY 1, 2, 3",
        reads=("analytics_heat",),
    ),
    View(
        name="presence",
        about="Who was in which room, from when until when.",
        columns={
            "project": "The room's project; null: it has none.",
            "room": "project:<id>, task:<id>, document:<id>, …",
            "person": "Who.",
            "joined_at": "When they came.",
            "left_at": "When they left; null: they are there.",
        },
        query="SELECT project, room, person, joined_at, left_at FROM {analytics_heat}.stays",
        reads=("analytics_heat",),
    ),
    View(
        name="together",
        about="Who was in the same room at the same time, by room and day on which the later came."
        " Name a project or a room: rooms are compared stay by stay.",
        columns={
            "project": "The room's project; null: it has none.",
            "room": "Where.",
            "day": "UTC.",
            "person": "Who.",
            "other": "With whom; each pair is there once, in the order of ids.",
            "times": "How often.",
            "seconds": "How long, in all.",
        },
        query="SELECT a.project, a.room,"
        " (greatest(a.joined_at, b.joined_at) AT TIME ZONE 'UTC')::date AS day,"
        " a.person, b.person, count(*), sum(extract(epoch FROM"
        " least(coalesce(a.left_at, now()), coalesce(b.left_at, now()))"
        " - greatest(a.joined_at, b.joined_at)))::float8"
        " FROM {analytics_heat}.stays a JOIN {analytics_heat}.stays b ON b.room = a.room"
        " AND a.person < b.person AND b.joined_at < coalesce(a.left_at, now())"
        " AND a.joined_at < coalesce(b.left_at, now()) GROUP BY 1, 2, 3, 4, 5",
        reads=("analytics_heat",),
    ),
    View(
        name="lock_holds",
        about="Who held which resource, from when until when, and how that ended.",
        columns={
            "project": PROJECT,
            "resource": "What was locked: the client's own name for it.",
            "holder": "Who held it.",
            "acquired_at": "Since when.",
            "ended_at": "Until when; null: it is held.",
            "ended": "released, expired or stolen.",
        },
        query="SELECT project, resource, holder, acquired_at, ended_at, ended"
        " FROM {analytics_locks}.lock_holds",
        reads=("analytics_locks",),
    ),
    View(
        name="lock_contention",
        about="How much people stand in each other's way, by resource. A refused attempt leaves"
        " no event; handed_over counts those who waited for it.",
        columns={
            "project": PROJECT,
            "resource": "What was locked.",
            "holds": "How often it was held.",
            "holders": "By how many people.",
            "stolen": "How often it was taken from its holder.",
            "expired": "How often its holder let the time pass.",
            "handed_over": "How often somebody else had it within 5 s of its end.",
            "held_seconds": "How long it was held, in all.",
            "longest_seconds": "The longest hold.",
        },
        query="SELECT project, resource, count(*), count(DISTINCT holder),"
        " count(*) FILTER (WHERE ended = 'stolen'), count(*) FILTER (WHERE ended = 'expired'),"
        " count(*) FILTER (WHERE later <> holder AND next_at < ended_at + interval '5 s'),"
        " sum(seconds)::float8, max(seconds)::float8"
        " FROM (SELECT h.*, lead(holder) OVER w AS later, lead(acquired_at) OVER w AS next_at,"
        "  extract(epoch FROM coalesce(ended_at, now()) - acquired_at) AS seconds"
        "  FROM {analytics_locks}.lock_holds h"
        "  WINDOW w AS (PARTITION BY project, resource ORDER BY token)) holds GROUP BY 1, 2",
        reads=("analytics_locks",),
    ),
    *DAYS,
)

FUNCTIONS = (
    Function(
        "task_as_of",
        "Tasks as they were at a time: SELECT * FROM analytics.task_as_of('2026-01-31 12:00Z').",
        "task_history",
        {
            name: sql_type(TASK_HISTORY.columns[name])
            for name in ("task", "project", "title", "status", "priority", "assignee", "due")
        },
    ),
    Function(
        "project_as_of",
        "Projects as they were at a time.",
        "project_history",
        {
            name: sql_type(kind)
            for name, kind in PROJECT_HISTORY.columns.items()
            if name not in SPAN
        },
    ),
)
