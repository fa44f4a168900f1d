"""What analysts can ask of days that are over: written down then, and kept."""

from projections.analytics_model import View

DAY = "UTC."
PROJECT = "The project's id."

DAYS = (
    View(
        name="daily",
        about="Each project at the end of each day, as it was written down then.",
        columns={
            "day": "UTC.",
            "project": PROJECT,
            "tasks": "All there were.",
            "open": "Neither done nor cancelled.",
            "in_progress": "Being worked on, or in review.",
            "done": "Done.",
            "overdue": "Open, and due before that day.",
            "unassigned": "Open, and nobody's.",
            "assignees": "People with an open task.",
        },
        query="SELECT day, project, tasks, open, in_progress, done, overdue, unassigned, assignees"
        " FROM formula_daily",
    ),
    View(
        name="daily_activity",
        about="What was done in each project on each day, as it was written down when it was over.",
        columns={
            "day": DAY,
            "project": PROJECT,
            "events": "Everything that happened.",
            "people": "Who did some of it.",
            "comments": "Comments that were written.",
            "created": "Tasks that were made.",
            "completed": "Tasks that were done.",
            "cycle_p50_hours": "From begun to done, the median of those; null: there were none.",
            "cycle_p90_hours": "The same: nine of ten took no longer.",
            "locks": "How often something was locked.",
            "locked_seconds": "How long things were locked on that day, in all.",
        },
        query="SELECT day, project, events, people, comments, created, completed, cycle_p50_hours,"
        " cycle_p90_hours, locks, locked_seconds FROM formula_project_days",
    ),
    View(
        name="daily_system",
        about="What was done in all on each day. Only for those who see all projects.",
        columns={
            "day": DAY,
            "events": "Everything that happened.",
            "people": "Who did some of it.",
            "by_type": "How many events of each type, by its tag.",
            "jobs": "How many jobs ended, by queue and state.",
        },
        query="SELECT day, events, people, by_type, jobs FROM formula_system_days"
        " WHERE (SELECT analytics.sees_all())",
        filtered=False,
    ),
)
