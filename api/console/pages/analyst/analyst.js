/** For analysts: questions of one's own in SQL, and the read models that are there for all, drawn. */

import { html, names } from "../../lib/html.js";
import { href } from "../../lib/route.js";
import { styled } from "../../lib/styled.js";
import { Ask } from "./ask.js";
import { Views } from "./views.js";

await styled(import.meta.url, "analyst.css");

const TABS = [
  ["", "Questions", Ask],
  ["views", "Views", Views],
];

export default function Analyst({ parts: [chosen = ""], query }) {
  const [, , Shown] = TABS.find(([path]) => path === chosen) ?? TABS[0];
  return html`<div class=${names("page", "analyst")}>
    <div class="page-head">
      <h1>Analysis</h1>
      <nav class="analyst-tabs" aria-label="Analysis">
        ${TABS.map(([path, title, tab]) => html`<a key=${path} href=${href(...["analyst", path].filter(Boolean))} aria-current=${tab === Shown ? "page" : undefined}>${title}</a>`)}
      </nav>
    </div>
    <${Shown} query=${query} />
  </div>`;
}
