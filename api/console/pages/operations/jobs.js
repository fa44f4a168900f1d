/** Queues, jobs, and what runs by the clock. */

import { Filters, bar, chosen, html, link, order, shown, table, useList, useRead, why } from "./parts.js";

const ROOT = "/realtime/jobs";
const OPEN = ["queued", "blocked", "running"];
const OVER = ["dead", "refused", "cancelled"];
const CANCEL = why("What needs it is called off as well.");
const PAUSE = why("None of its jobs is handed out; those that run go on.");
const DISCARD = why("Nobody will try them again.");

export default function Jobs({ query }) {
  const queues = useRead(`${ROOT}/stats`);
  const fields = [
    ["queue", queues?.map(({ queue }) => queue) ?? []],
    ["state", [...OPEN, "done", ...OVER]],
    ["name"],
    ["q", {}, "In arguments, key or error"],
  ];
  const filter = chosen(query, fields);
  const jobs = useList(ROOT, filter);
  const job = query.get("job");
  const as = { ...JOB, name: ({ id, name }) => link({ ...filter, job: id }, name) };
  const scheduled = {
    when: ({ cron, every_s, zone }) => (cron ? `${cron}, ${zone}` : `every ${every_s} s`),
    next: ({ next }) => shown(next[0]),
    actions: ({ name }) => order("Run", name, `${ROOT}/schedules/${name}`),
  };
  return html`
    ${table("Queues", queues, "queue paused workers waiting delayed active dead done_last_hour wait_p99_ms run_p99_ms actions", QUEUES)}
    <${Filters} query=${query} fields=${fields} />
    ${job && html`<${Job} key=${job} id=${job} />`}
    ${table("Jobs", jobs, "name queue state attempts made_at finished_at owner actions", as, "No job is like that. What events, people and schedules ask for will be here.")}
    ${table("Schedules", useRead(`${ROOT}/schedules`), "name when last_tick next actions", scheduled)}
  `;
}

export const JOB = {
  state: ({ name, state, progress }) => html`${shown(state)} ${state === "running" && progress !== null && bar(name, progress)}`,
  actions: ({ id, name, state }) => html`
    ${OVER.includes(state) && order("Retry", name, `${ROOT}/${id}`)}
    ${[...OPEN, "dead"].includes(state) && order("Cancel", name, `${ROOT}/${id}`, CANCEL)}
  `,
};

const QUEUES = {
  paused: ({ paused_at, pause_reason }) => paused_at && html`${shown("paused")} ${pause_reason}`,
  dead: ({ queue, dead }) => (dead ? link({ queue, state: "dead" }, `${dead} dead`) : 0),
  actions: ({ queue, paused_at, dead }) => {
    const path = `${ROOT}/queues/${queue}`;
    return html`
      ${paused_at ? order("Resume", queue, path) : order("Pause", queue, path, PAUSE)}
      ${dead > 0 && html`${order("Retry dead", queue, path, {})} ${order("Discard dead", queue, path, DISCARD)}`}
    `;
  },
};

function Job({ id }) {
  const job = useRead(`${ROOT}/${id}`);
  const log = useList(`${ROOT}/${id}/log`);
  return html`<section class="card" aria-label="The job">
    ${table(job?.name, job && [job], "state attempts max_attempts run_at started_at finished_at error actions", JOB)}
    <pre>${JSON.stringify({ ...job?.args, result: job?.result })}</pre>
    ${table("What it said", log, "at attempt level line", {}, "Nothing yet.")}
  </section>`;
}
