/** The read models of analytics, drawn; each is a question that one may take further. */

import { html, useState } from "../../lib/html.js";
import { go } from "../../lib/route.js";
import { exactly } from "../../lib/when.js";
import { address } from "./address.js";
import { Project } from "./ask.js";
import { useAnswer, wrong } from "./asking.js";
import { Drawn } from "./drawn.js";
import { PICTURES } from "./pictures.js";

const SPANS = [7, 30, 90, 365]; // days

export function Views({ query }) {
  const [again, setAgain] = useState(0);
  const project = query.get("project") || null;
  const days = query.get("days") ?? "30";
  const choose = (given) => {
    const chosen = Object.entries({ project, days, ...given }).filter(([, value]) => value);
    go(`analyst/views?${new URLSearchParams(chosen)}`);
  };
  return html`<div class="views-head">
      <label>Project<${Project} value=${project} onChange=${({ target }) => choose({ project: target.value })} /></label>
      <label>Days<select value=${days} onChange=${({ target }) => choose({ days: target.value })}>${SPANS.map((span) => html`<option key=${span} value=${span}>The last ${span}</option>`)}</select></label>
      <button onClick=${() => setAgain(again + 1)}>Refresh</button>
    </div>
    <div class="views">
      ${PICTURES.map((one) => html`<${Picture} key=${one.id} picture=${one} project=${project} days=${days} again=${again} />`)}
    </div>`;
}

function Picture({ picture: { id, title, about, sql, drawing }, project, days, again }) {
  const parameters = { ...(sql.includes(":project") && { project }), ...(sql.includes(":days") && { days }) };
  const { busy, answer, error, at } = useAnswer({ sql, parameters }, again);
  return html`<section class="card picture" aria-labelledby=${`view-${id}`} aria-busy=${busy}>
    <h2 id=${`view-${id}`}>${title}</h2>
    <p class="muted">${about}</p>
    ${error && html`<p class="problem" role="alert">${wrong(error)}</p>`}
    ${!error && !answer && html`<p class="empty">Asking …</p>`}
    ${answer && (answer.rows.length ? html`<${Drawn} answer=${answer} drawing=${drawing} label=${title} />` : html`<p class="empty">Nothing yet on these days.</p>`)}
    ${answer?.rows.length > 0 && drawing.kind !== "heat" && html`<details><summary>The figures</summary><${Drawn} answer=${answer} drawing=${{ kind: "table" }} label=${`${title}: figures`} /></details>`}
    <p class="picture-foot">
      <a class="link" href=${`#/${address({ sql, parameters, drawing })}`} aria-label=${`Open “${title}” as a question`}>Open as a question</a>
      ${at && html`<small>${exactly(at)}</small>`}
    </p>
  </section>`;
}
