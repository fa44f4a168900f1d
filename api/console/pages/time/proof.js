/** Is the log whole, and is an export as it was signed? */

import { checkExport } from "../../client/audit.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { post } from "../../lib/rest.js";
import { failed } from "../../lib/toast.js";
import { exactly } from "../../lib/when.js";
import { useGot } from "./parts.js";

const EVERY = 1_000; // milliseconds between two looks at a job that runs

export function Proof() {
  const [jobs, , look] = useGot("/realtime/jobs", { name: "verify_log", limit: 1 });
  const [told, tell] = useState();
  const job = jobs?.items[0];
  const [asked, setAsked] = useState();
  const runs = (asked && job?.id !== asked) || /queued|running/.test(job?.state);
  useEffect(() => {
    const timer = runs && setInterval(() => document.hidden || look(), EVERY);
    return () => clearInterval(timer);
  }, [runs]);
  const ask = () => post("/realtime/jobs", { args: { type: "verify_log" }, unique: "verify_log" }).then(({ id }) => setAsked(id), failed);
  return html`
    <section class="card">
      <h2>Is the log whole?</h2>
      <p class="muted">All of it is read: nothing may be missing, twice there, out of order or unreadable.</p>
      <p><button class="primary" disabled=${runs} onClick=${ask}>Verify the log</button></p>
      ${runs && html`<progress aria-label="Read so far" value=${job?.progress ?? 0}></progress>`}
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

/** What is to be said of an export. */
export const checked = (file) =>
  checkExport(file).then(
    ({ manifest: { count, public_key: key }, altered }) => (altered ? `Altered: ${altered}.` : `As it was signed by ${key}: ${count} events.`),
    () => "No export, or this browser can't tell: ask formula audit verify-export.",
  );
