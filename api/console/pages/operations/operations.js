/** Operations: each tab is the file beside this one that has its name. */

import { Loaded, Tabs, again, can, failed, href, html, leave, live, said, titled, useEffect } from "../../lib/page.js";

const PAUSE = 150; // milliseconds in which events are taken together

// With the right that each takes.
const TABS = {
  health: "health.read",
  alerts: "alerts.read",
  metrics: "health.read",
  read_models: "projections.read",
  jobs: "jobs.manage",
  presence: "presence.read",
  users: "user.change_role",
  keys: "health.read",
  benchmarks: "benchmark.read",
  store: "health.read",
  files: "file.delete",
};

export default function Operations({ parts: [name = "health"], query }) {
  const tabs = Object.keys(TABS).filter((one) => can(TABS[one]));
  useEffect(follow, []);
  return html`<div class="page operations">
    <h1>Operations</h1>
    <${Tabs} label="Operations" all=${tabs.map((one) => [href("operations", one), titled(one), one === name])} />
    ${tabs.includes(name)
      ? html`<${Loaded} key=${name} load=${() => import(`./${name}.js`)} title="${titled(name)} · Operations" query=${query} />`
      : html`<p class="empty">${said("tab.not_found")}</p>`}
  </div>`;
}

/** What the operators' room tells of is not waited for. */
function follow() {
  if (!can("ops.join")) return;
  let timer;
  const heard = ({ pos }) => {
    clearTimeout(timer);
    timer = setTimeout(again, PAUSE, pos);
  };
  const joined = live().join("ops").then((room) => room.on("event", heard));
  joined.catch(failed);
  return () => {
    clearTimeout(timer);
    joined.then((stop) => stop(leave("ops")), () => {});
  };
}
