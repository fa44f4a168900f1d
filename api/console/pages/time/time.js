/** For auditors: what was, who did it, and the proof that it is all there. */

import { Tabs, href, html } from "../../lib/page.js";
import { Cards } from "../projects.js";
import { Proof, Search } from "./audit.js";
import { Machine } from "./machine.js";

const VIEWS = [
  ["", "Projects", () => html`<p class="muted">Whose life do you want to see?</p><${Cards} page="time" />`],
  ["audit", "Audit", Search],
  ["proof", "Proof", Proof],
];

export default function Time({ parts: [part = ""], query }) {
  const view = VIEWS.find(([path]) => path === part)?.[2];
  if (!view) return html`<${Machine} key=${part} project=${part} query=${query} />`;
  return html`<div class="page time">
    <div class="page-head">
      <h1>Time machine</h1>
      <${Tabs} label="Views" all=${VIEWS.map(([path, title]) => [href("time", path), title, path === part])} />
    </div>
    <${view} query=${query} />
  </div>`;
}
