/** For analysts: questions of one's own in SQL, and read models. */

import { Tabs, href, html } from "../../lib/page.js";
import { Ask } from "./ask.js";
import { Views } from "./views.js";

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
