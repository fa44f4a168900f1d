/** Operations: each tab is the file beside this one that has its name. */

import { html, useEffect, useState } from "../../lib/html.js";
import { live } from "../../lib/live.js";
import { href } from "../../lib/route.js";
import { styled } from "../../lib/styled.js";
import { failed } from "../../lib/toast.js";
import { Asking, titled } from "./ask.js";
import { again, can } from "./parts.js";

await styled(import.meta.url, "operations.css");

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
      <nav class="tabs" aria-label="Operations">
        ${tabs.map((one) => html`<a key=${one} href=${href("operations", one)} aria-current=${one === name ? "page" : undefined}>${titled(one)}</a>`)}
      </nav>
      ${tabs.includes(name) ? html`<${Tab} key=${name} name=${name} query=${query} />` : html`<p class="empty">There is no such tab, or it is not yours to see.</p>`}
    </div>
    <${Asking} />`;
}

function Tab({ name, query }) {
  const [module, setModule] = useState({});
  useEffect(() => {
    document.title = `${titled(name)} · Operations · Formula`;
    import(`./${name}.js`).then(setModule, failed);
  }, []);
  return module.default && html`<${module.default} query=${query} />`;
}

/** What the operators' room tells of is looked at without waiting. */
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
    joined.then((stop) => stop(live()?.leave("ops").catch(() => {})), () => {});
  };
}
