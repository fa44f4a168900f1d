/** The audit, and the proof that the log and its exports are whole. */

import { checkExport } from "../../client/audit.js";
import { EventPanel } from "./changes.js";
import { Filters, Select, Table, Waits, act, audit, bar, exactly, here, html, instead, membersOf, post, useAll, useDownload, useEffect, useGot, useNames, useRead, useState, words } from "./words.js";

const TIME = { type: "datetime-local" };
const known = new Set(); // projects whose people are

const utc = (at) => at && `${at.slice(0, 16)}Z`;

export function Search({ query }) {
  const { event, cursor, ...filter } = Object.fromEntries(query);
  const asked = { ...filter, since: utc(filter.since), until: utc(filter.until) };
  const { value: found, error } = useGot("/audit", { ...asked, cursor });
  const titles = new Map(useAll("/projects")?.map(({ id, name }) => [id, name]));
  const nameOf = useNames();
  const items = found?.items ?? [];
  useEffect(() => {
    for (const { project } of items) {
      if (!project || known.has(project)) continue;
      known.add(project);
      membersOf(project).catch(() => {});
    }
  }, [found]);
  const people = new Set([filter.actor, ...items.map(({ actor }) => actor)].filter(Boolean));
  const fields = [
    ["search", { maxlength: 200 }, "Words"],
    ["actor", [...people].map((id) => [id, nameOf(id)]), "Who"],
    ["project", [...titles]],
    ["type", { maxlength: 200, placeholder: "task.created.v1" }],
    ["subject", { maxlength: 36, placeholder: "Id" }, "Of"],
    ["since", TIME, "Since (UTC)"],
    ["until", TIME, "Until (UTC)"],
  ];
  const row = ({ position, at, actor, type, project, ip }) => [
    exactly(at),
    nameOf(actor),
    html`<a class="link" href=${here({ event: position })}>${words(type)}</a>`,
    titles.get(project) ?? project,
    ip,
  ];
  return html`
    <${Filters} query=${query} fields=${fields} />
    <${Export} filter=${asked} />
    <div class="found">
      <div>
        ${found ? html`<${Table} label="Events" heads=${["When", "Who", "What", "Where", "From"]} rows=${items.map(row)} keys=${items.map(({ position }) => position)} />` : html`<${Waits} error=${error} />`}
        ${found && !items.length && html`<p class="empty">Nothing was found here. <a class="link" href=${audit()}>All events</a></p>`}
        ${cursor && html`<a class="link" href=${here({ cursor: "" })}>Newest</a>`} ${found?.next && html`<a class="link" href=${here({ cursor: found.next })}>Older</a>`}
      </div>
      ${event && html`<${EventPanel} key=${event} position=${event} />`}
    </div>
  `;
}

const EVERY = 1_000; // milliseconds
const VERIFY = { args: { type: "verify_log" }, unique: "verify_log" };

export function Proof() {
  const [job] = useRead("/realtime/jobs", { name: "verify_log", limit: 1 }, EVERY)?.items ?? [];
  const [told, tell] = useState();
  return html`
    <section class="card">
      <h2>Is the log whole?</h2>
      <p class="muted">All of it is read: nothing may be missing, twice there, out of order or unreadable.</p>
      <p>${act("Verify the log", "", () => post("/realtime/jobs", VERIFY))}</p>
      ${/queued|running/.test(job?.state) && bar("what is read", job.progress)}
      <p role="status">${job && (job.result ? verdict(job) : `${job.state} ${job.error ?? ""}`)}</p>
      <ul>${job?.result?.findings.map(({ position, rule, detail }) => html`<li>${rule} ${position} ${detail}</li>`)}</ul>
    </section>
    <section class="card">
      <h2>Is an export as it was signed?</h2>
      <label>A file that was exported<input type="file" accept=".zip" onChange=${({ target }) => checked(target.files[0]).then(tell)} /></label>
      <p role="status">${told}</p>
    </section>
  `;
}

const verdict = ({ finished_at: at, result: { ok, events, motion, head } }) =>
  `${exactly(at)}: ${ok ? "whole" : "not whole"}. ${events} events and ${motion} of motion, up to position ${head}.`;

/** What a search finds, as a signed file. */
function Export({ filter }) {
  const [download, progress] = useDownload();
  const [told, tell] = useState();
  const save = async ({ elements: { format } }) => {
    const done = await download("formula-audit.zip", "GET", "/audit/export", { query: { ...filter, format: format.value } });
    if (done) tell(await checked(done.file));
  };
  return html`<form class="player-row" onSubmit=${instead(save)}>
    <${Select} class="status" name="format" aria-label="Format" options=${["ndjson", "csv", "parquet"]} />
    <button>Export what is found</button>
    ${progress ?? html`<span role="status">${told}</span>`}
  </form>`;
}

const checked = (file) =>
  checkExport(file).then(
    ({ manifest: { count, public_key: key }, altered }) => (altered ? `Altered: ${altered}.` : `As it was signed by ${key}: ${count} events.`),
    () => "No export, or this browser can't tell: ask formula audit verify-export.",
  );
