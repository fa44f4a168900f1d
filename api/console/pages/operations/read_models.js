/** Read models: how far they are, and why a row is as it is. */

import { JOB } from "./jobs.js";
import { Filters, act, bar, can, html, link, order, post, shown, table, useList, useRead, why } from "./parts.js";

const ROOT = "/projections";
const JOBS = "/realtime/jobs";
const VERIFY = "verify_read_model";
const REBUILD = { text: "It is built anew beside what serves, which goes on until that has caught up." };
const BACK = { text: "To what served before, brought up to date first." };
const SKIP = why("It is passed over for good, in rebuilds as well, and those behind it are tried.");

export default function ReadModels({ query }) {
  const { groups, projections, dead_letters, builds } = useRead(ROOT) ?? {};
  const chosen = query.get("name");
  const as = {
    name: ({ name }) => link({ name }, name),
    held_back: ({ name }) => shown(dead_letters.find(({ projection }) => projection === name)?.parked),
    actions: can("projections.manage") &&
      (({ name }) => html`${order("Rebuild", name, `${ROOT}/${name}`, REBUILD)} ${act("Roll back", name, `POST ${ROOT}/${name}/rollback`, BACK)}`),
  };
  const progress = (one) => html`${bar(one.generation, one.position, one.target)} ${shown(one.position)} of ${shown(one.target)}`;
  return html`
    ${builds?.length > 0 && table("Being built", builds, "generation state progress per_s left_s", { progress })}
    ${chosen && html`<${One} key=${chosen} name=${chosen} query=${query} />`}
    ${table("Consumers of the log", groups, "name position lag updated_at")}
    ${table("Read models", projections, "name group version held_back actions", as)}
  `;
}

function One({ name, query }) {
  const path = `${ROOT}/${name}`;
  const letters = useList(`${path}/letters`);
  const as = {
    error: ({ error }) => (error ? html`<details><summary>${error.trim().split("\n").at(-1)}</summary><pre>${error}</pre></details>` : "waits behind another"),
    actions: ({ position, error, asked }) =>
      error && !asked && html`
        ${order("Retry", `event ${position}`, `${path}/letters/${position}`)}
        ${order("Skip", `event ${position}`, `${path}/letters/${position}`, SKIP)}`,
  };
  const checks = useRead(JOBS, { name: VERIFY, q: name })?.items.filter(({ args }) => args.projection === name);
  const verify = () => post(JOBS, { args: { type: VERIFY, projection: name }, unique: name });
  return html`
    ${table(`Generations of ${name}`, useRead(`${path}/generations`), "schema state version position changed_at")}
    ${table(`Checks of ${name}`, checks?.map((one) => ({ ...one, ...one.result })), "made_at state rows different keys error", JOB, "Each row is held against the log.", can("projections.manage") && act("Verify", name, verify))}
    ${table(`Held back by ${name}`, letters, "position stream parked_at error asked actions", as, "Every event was applied. One that fails will be put aside here, with those of its stream behind it.")}
    ${can("projections.explain") && html`<${Explained} path=${path} query=${query} />`}
  `;
}

function Explained({ path, query }) {
  const key = query.get("key");
  const found = useRead(key && `${path}/explain`, { key });
  return html`
    <${Filters} query=${query} fields=${[["name", { readonly: true }], ["key", {}, "Explain the row with the key"]]} />
    ${key && table("What made the row", found?.changes, "position at type actor after", { after: ({ after }) => html`<pre>${JSON.stringify(after, null, 1)}</pre>` })}
  `;
}
