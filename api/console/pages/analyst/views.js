/** The read models of analytics, drawn; each is a question that one may take further. */

import { html, useEffect, useState } from "../../lib/html.js";
import { get } from "../../lib/rest.js";
import { go } from "../../lib/route.js";
import { failed } from "../../lib/toast.js";
import { exactly } from "../../lib/when.js";
import { address } from "./address.js";
import { parametersOf, useAnswer, wrong } from "./asking.js";
import { Project } from "./controls.js";
import { Drawn } from "./drawn.js";

export function Views({ query }) {
  const [examples, setExamples] = useState([]);
  const [again, setAgain] = useState(0);
  useEffect(() => void get("/analytics/views").then((catalog) => setExamples(catalog.examples), failed), []);
  const chosen = { project: query.get("project"), days: query.get("days") ?? "30" };
  const choose = (name) => ({ target }) => go(`analyst/views?${new URLSearchParams({ ...chosen, project: chosen.project ?? "", [name]: target.value })}`);
  return html`<div class="choices">
      <label>Project<${Project} value=${chosen.project} onInput=${choose("project")} /></label>
      <label>Days<select value=${chosen.days} onInput=${choose("days")}>${[7, 30, 90, 365].map((span) => html`<option key=${span} value=${span}>The last ${span}</option>`)}</select></label>
      <button onClick=${() => setAgain(again + 1)}>Refresh</button>
    </div>
    <div class="views">${examples.map((one) => html`<${View} key=${one.name} example=${one} chosen=${chosen} again=${again} />`)}</div>`;
}

function View({ example: { name, about, sql, drawing }, chosen, again }) {
  const parameters = Object.fromEntries(parametersOf(sql).map((one) => [one, chosen[one] || null]));
  const { busy, answer, error, at } = useAnswer({ sql, parameters }, again);
  return html`<section class="card" aria-label=${name} aria-busy=${busy}>
    <h2>${name}</h2>
    <p class="muted">${about}</p>
    ${error && html`<p class="problem" role="alert">${wrong(error)}</p>`}
    ${!error && !answer?.rows.length && html`<p class="empty">${answer ? "There was nothing on these days." : "Asking …"}</p>`}
    ${answer?.rows.length > 0 && html`<${Drawn} answer=${answer} drawing=${drawing} label=${name} />`}
    <p class="row"><a class="link" href=${`#/${address({ sql, parameters, drawing })}`} aria-label="Open as a question: ${name}">Open as a question</a><small>${at && exactly(at)}</small></p>
  </section>`;
}
