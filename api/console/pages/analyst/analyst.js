/** For analysts: questions of one's own in SQL, and read models. */

import { Ask } from "./ask.js";
import { Filters, Tabs, again, exactly, href, html, parametersOf, question, useAnswer, wrong } from "./asking.js";
import { Drawn } from "./drawn.js";
import { useCatalog, useProjects } from "./side.js";

export default function Analyst({ parts: [tab], query }) {
  const tabs = [[href("analyst"), "Questions", tab !== "views"], [href("analyst", "views"), "Views", tab === "views"]];
  return html`<div class="page analyst">
    <div class="page-head">
      <h1>Analysis</h1>
      <${Tabs} label="Analysis" all=${tabs} />
    </div>
    ${tab === "views" ? html`<${Views} query=${query} />` : html`<${Ask} query=${query} />`}
  </div>`;
}

const DAYS = [["", "The last 30"], ...[7, 90, 365].map((span) => [span, `The last ${span}`])];

function Views({ query }) {
  const { examples } = useCatalog();
  const chosen = { days: "30", ...Object.fromEntries(query) };
  const fields = [["project", useProjects()], ["days", DAYS]];
  return html`<${Filters} query=${query} fields=${fields} />
    <div class="row"><button onClick=${() => again()}>Refresh</button></div>
    <div class="views">${examples.map((one) => html`<${View} key=${one.name} example=${one} chosen=${chosen} />`)}</div>`;
}

function View({ example: { name, about, sql, drawing }, chosen }) {
  const parameters = parametersOf(sql, (one) => chosen[one]);
  const { busy, value: answer, error, at } = useAnswer({ sql, parameters });
  return html`<section class="card" aria-label=${name} aria-busy=${busy}>
    <h2>${name}</h2>
    <p class="muted">${about}</p>
    ${error && html`<p class="problem" role="alert">${wrong(error)}</p>`}
    ${!error && !answer?.rows.length && html`<p class="empty">${answer ? "There was nothing on these days." : "Asking …"}</p>`}
    ${answer?.rows.length > 0 && html`<${Drawn} answer=${answer} drawing=${drawing} label=${name} />`}
    <p class="row"><a class="link" href=${question({ sql, parameters, drawing })} aria-label="Open as a question: ${name}">Open as a question</a><small>${at && exactly(at)}</small></p>
  </section>`;
}
