"""Questions to begin with: what the views are good for, and how the answers are drawn.

`:project` may be null, for all that one sees; `:days` go back from today.
"""

import msgspec

from domain.query import Drawing

OF = "(:project::uuid IS NULL OR project = :project::uuid)"
FIRST = "now()::date - :days::int"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    about: str
    sql: str
    drawing: Drawing


EXAMPLES = (
    Example(
        name="Work made and done",
        about="Tasks by day (UTC).",
        sql=f"""SELECT day, sum(created)::int AS created, sum(done)::int AS done,
  sum(cancelled)::int AS cancelled
FROM throughput
WHERE {OF} AND day > {FIRST}
GROUP BY day ORDER BY day""",  # noqa: S608, our own text
        drawing=Drawing(kind="bars", x="day", y=("created", "done", "cancelled")),
    ),
    Example(
        name="Open tasks",
        about="At the end of each day on which that changed.",
        sql=f"""SELECT day, open
FROM (
  SELECT day, (sum(sum(opened - closed)) OVER (ORDER BY day))::int AS open
  FROM burndown WHERE {OF} GROUP BY day
) days
WHERE day > {FIRST}
ORDER BY day""",  # noqa: S608, our own text
        drawing=Drawing(kind="line", x="day", y=("open",)),
    ),
    Example(
        name="Tasks by state",
        about="As they stood at the end of each day.",
        sql=f"""SELECT day::date AS day,
  count(*) FILTER (WHERE status = 'todo') AS todo,
  count(*) FILTER (WHERE status = 'in_progress') AS in_progress,
  count(*) FILTER (WHERE status = 'review') AS review,
  count(*) FILTER (WHERE status = 'done') AS done
FROM generate_series({FIRST}, now()::date, interval '1 day') day
JOIN task_history ON valid_from < day + interval '1 day'
  AND (valid_to IS NULL OR valid_to >= day + interval '1 day')
WHERE {OF}
GROUP BY 1 ORDER BY 1""",  # noqa: S608, our own text
        drawing=Drawing(kind="line", x="day", y=("todo", "in_progress", "review", "done")),
    ),
    Example(
        name="From begun to done",
        about="Hours, by the week in which tasks were done: the median, and nine of ten.",
        sql=f"""SELECT date_trunc('week', done_at)::date AS week,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle_hours) AS median,
  percentile_cont(0.9) WITHIN GROUP (ORDER BY cycle_hours) AS nine_of_ten
FROM cycle_times
WHERE {OF} AND done_at > {FIRST} AND cycle_hours IS NOT NULL
GROUP BY 1 ORDER BY 1""",  # noqa: S608, our own text
        drawing=Drawing(kind="line", x="week", y=("median", "nine_of_ten")),
    ),
    Example(
        name="Who has what",
        about="Open tasks by person, now.",
        sql=f"""SELECT coalesce(name, '(nobody)') AS person, sum(open)::int AS open,
  sum(in_progress)::int AS in_progress, sum(overdue)::int AS overdue
FROM workload LEFT JOIN people ON id = person
WHERE {OF}
GROUP BY 1 ORDER BY 2 DESC LIMIT 20""",  # noqa: S608, our own text
        drawing=Drawing(kind="bars", x="person", y=("open", "in_progress", "overdue")),
    ),
    Example(
        name="Who works with whom",
        about="How often one mentioned the other, gave them work, took over a lock, or both worked"
        " on a task.",
        sql=f"""SELECT a.name AS person, b.name AS other, sum(times)::int AS times
FROM collaboration
JOIN people a ON a.id = person
JOIN people b ON b.id = other
WHERE {OF}
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 1000""",  # noqa: S608, our own text
        drawing=Drawing(kind="heat", x="other", y=("times",)),
    ),
    Example(
        name="When people come",
        about="Visits of rooms by weekday and hour (UTC).",
        sql=f"""SELECT to_char(joined_at AT TIME ZONE 'UTC', 'ID Dy') AS weekday,
  extract(hour FROM joined_at AT TIME ZONE 'UTC')::int AS hour, count(*) AS visits
FROM presence
WHERE {OF} AND joined_at > {FIRST}
GROUP BY 1, 2 ORDER BY 1, 2""",  # noqa: S608, our own text
        drawing=Drawing(kind="heat", x="hour", y=("visits",)),
    ),
    Example(
        name="Where people wait",
        about="How often what was locked was held, taken over, ran out, and was handed to who"
        " waited.",
        sql=f"""SELECT regexp_replace(resource, ':[0-9a-f-]{{36}}', '') AS locked,
  sum(holds)::int AS holds, sum(stolen)::int AS stolen, sum(expired)::int AS expired,
  sum(handed_over)::int AS handed_over
FROM lock_contention
WHERE {OF}
GROUP BY 1 ORDER BY 2 DESC LIMIT 12""",  # noqa: S608, our own text
        drawing=Drawing(kind="bars", x="locked", y=("holds", "stolen", "expired", "handed_over")),
    ),
    Example(
        name="Activity of projects",
        about="Everything that happened, by day; written down when the day is over.",
        sql=f"""SELECT name, day, sum(events)::int AS events
FROM daily_activity JOIN (SELECT project AS id, name FROM projects) named ON id = project
WHERE {OF} AND day > {FIRST}
GROUP BY 1, 2 ORDER BY 2, 1 LIMIT 1000""",  # noqa: S608, our own text
        drawing=Drawing(kind="heat", x="day", y=("events",)),
    ),
)
