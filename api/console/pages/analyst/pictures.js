/** The read models that are there for all, as questions with drawings. `:project` may be null. */

const OF = "(:project::uuid IS NULL OR project = :project::uuid)";
const DAYS = "now()::date - :days::int";

export const PICTURES = [
  {
    id: "throughput",
    title: "Work made and done",
    about: "Tasks by day (UTC).",
    sql: `SELECT day, sum(created)::int AS created, sum(done)::int AS done, sum(cancelled)::int AS cancelled
FROM throughput
WHERE ${OF} AND day > ${DAYS}
GROUP BY day ORDER BY day`,
    drawing: { kind: "bars", x: "day", y: ["created", "done", "cancelled"] },
  },
  {
    id: "burndown",
    title: "Open tasks",
    about: "At the end of each day on which that changed.",
    sql: `SELECT day, open
FROM (SELECT day, (sum(sum(opened - closed)) OVER (ORDER BY day))::int AS open
  FROM burndown WHERE ${OF} GROUP BY day) days
WHERE day > ${DAYS}
ORDER BY day`,
    drawing: { kind: "line", x: "day", y: ["open"] },
  },
  {
    id: "history",
    title: "Tasks by state",
    about: "As they stood at the end of each day.",
    sql: `SELECT day::date AS day,
  count(*) FILTER (WHERE status = 'todo') AS todo,
  count(*) FILTER (WHERE status = 'in_progress') AS in_progress,
  count(*) FILTER (WHERE status = 'review') AS review,
  count(*) FILTER (WHERE status = 'done') AS done
FROM generate_series(${DAYS}, now()::date, interval '1 day') day
JOIN task_history ON valid_from < day + interval '1 day'
  AND (valid_to IS NULL OR valid_to >= day + interval '1 day')
WHERE ${OF}
GROUP BY 1 ORDER BY 1`,
    drawing: { kind: "line", x: "day", y: ["todo", "in_progress", "review", "done"] },
  },
  {
    id: "cycle",
    title: "From begun to done",
    about: "Hours, by the week in which tasks were done: the median, and what nine of ten stayed below.",
    sql: `SELECT date_trunc('week', done_at)::date AS week,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY cycle_hours) AS median,
  percentile_cont(0.9) WITHIN GROUP (ORDER BY cycle_hours) AS nine_of_ten
FROM cycle_times
WHERE ${OF} AND done_at > ${DAYS} AND cycle_hours IS NOT NULL
GROUP BY 1 ORDER BY 1`,
    drawing: { kind: "line", x: "week", y: ["median", "nine_of_ten"] },
  },
  {
    id: "workload",
    title: "Who has what",
    about: "Open tasks by person, now.",
    sql: `SELECT coalesce(name, '(nobody)') AS person, sum(open)::int AS open,
  sum(in_progress)::int AS in_progress, sum(overdue)::int AS overdue
FROM workload LEFT JOIN people ON id = person
WHERE ${OF}
GROUP BY 1 ORDER BY 2 DESC LIMIT 20`,
    drawing: { kind: "bars", x: "person", y: ["open", "in_progress", "overdue"] },
  },
  {
    id: "collaboration",
    title: "Who works with whom",
    about: "How often one mentioned or was given work by the other, took over a lock, or both worked on a task.",
    sql: `SELECT a.name AS person, b.name AS other, sum(times)::int AS times
FROM collaboration
JOIN people a ON a.id = person JOIN people b ON b.id = other
WHERE ${OF}
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 400`,
    drawing: { kind: "heat", x: "other", y: ["person", "times"] },
  },
  {
    id: "presence",
    title: "When people come",
    about: "Visits of rooms by weekday and hour (UTC).",
    sql: `SELECT to_char(joined_at AT TIME ZONE 'UTC', 'ID Dy') AS weekday,
  extract(hour FROM joined_at AT TIME ZONE 'UTC')::int AS hour, count(*) AS visits
FROM presence
WHERE ${OF} AND joined_at > ${DAYS}
GROUP BY 1, 2 ORDER BY 1, 2`,
    drawing: { kind: "heat", x: "hour", y: ["weekday", "visits"] },
  },
  {
    id: "locks",
    title: "Where people wait",
    about: "Locks by what was locked: how often it was held, taken over, ran out, and was handed to who waited.",
    sql: `SELECT regexp_replace(resource, ':[0-9a-f-]{36}', '') AS locked, sum(holds)::int AS holds,
  sum(stolen)::int AS stolen, sum(expired)::int AS expired, sum(handed_over)::int AS handed_over
FROM lock_contention
WHERE ${OF}
GROUP BY 1 ORDER BY 2 DESC LIMIT 12`,
    drawing: { kind: "bars", x: "locked", y: ["holds", "stolen", "expired", "handed_over"] },
  },
  {
    id: "activity",
    title: "Activity of projects",
    about: "Everything that happened, by day; written down when the day is over.",
    sql: `SELECT name AS project_name, day, events
FROM daily_activity JOIN (SELECT project AS id, name FROM projects) names ON id = project
WHERE ${OF} AND day > ${DAYS}
ORDER BY day, name LIMIT 1000`,
    drawing: { kind: "heat", x: "day", y: ["project_name", "events"] },
  },
];
