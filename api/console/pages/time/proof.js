/** Is the log whole, and is an export as it was signed? */

import { checkExport } from "../../client/audit.js";
import { Select, act, bar, exactly, html, instead, post, useDownload, useRead, useState } from "../../lib/page.js";

const EVERY = 1_000; // milliseconds between two looks at the job
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
export function Export({ filter }) {
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
