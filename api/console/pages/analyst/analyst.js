/** For analysts: questions of one's own in SQL, and the read models that there are, drawn. */

import { html } from "../../lib/html.js";
import { href } from "../../lib/route.js";
import { styled } from "../../lib/styled.js";
import { Ask } from "./ask.js";
import { Views } from "./views.js";

await styled(import.meta.url, "analyst.css");

export default function Analyst({ parts: [tab], query }) {
  const link = (title, ...path) => html`<a href=${href("analyst", ...path)} aria-current=${tab === path[0] ? "page" : undefined}>${title}</a>`;
  return html`<div class="page analyst">
    <div class="page-head">
      <h1>Analysis</h1>
      <nav class="sub" aria-label="Analysis">${link("Questions")}${link("Views", "views")}</nav>
    </div>
    ${tab === "views" ? html`<${Views} query=${query} />` : html`<${Ask} query=${query} />`}
  </div>`;
}
