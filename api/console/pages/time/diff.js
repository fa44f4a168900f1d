/** What came, went or changed between two moments, table by table. */

import { html, useEffect, useState } from "../../lib/html.js";
import { useNames } from "../../lib/people.js";
import { get } from "../../lib/rest.js";
import { useStore } from "../../lib/store.js";
import { failed } from "../../lib/toast.js";
import { Compared, words } from "./event.js";

const DULL = new Set(["version", "position", "pos", "id", "project"]);

/** From `a`, or the beginning, to `b`, or the moment that is shown. */
export function Difference({ model, a, b }) {
  const nameOf = useNames();
  const [found, setFound] = useState();
  const moment = useStore(model.moment);
  const [from, to] = [+(a ?? model.first), +(b ?? moment.position)].sort((one, other) => one - other);
  const more = (cursor) =>
    get("/replay/diff", { project: model.id, from, to, cursor }).then(({ changes: { items, next } }) => setFound((before) => ({ from, to, next, rows: cursor ? [...before.rows, ...items] : items })), failed);
  useEffect(() => void more(), [from, to]);
  if (found?.from !== from || found.to !== to) return html`<p class="empty" role="status">Comparing …</p>`;
  const named = ({ key, was, now }) => {
    const { title, name, resource, user_id: user } = { ...model.tasks.value.get(key[0]), ...model.documents.value.get(key[0]), ...was, ...now };
    return title ?? name ?? resource ?? nameOf(user ?? key.at(-1));
  };
  const listed = (row) => {
    const kind = row.was ? (row.now ? "changed" : "removed") : "added";
    const fields = Object.keys({ ...row.was, ...row.now }).filter((field) => !DULL.has(field));
    return html`<li key=${row.key.join()}><details open=${kind === "changed"}>
      <summary><span class="tag ${kind}">${kind}</span> ${named(row)}</summary>
      <${Compared} rows=${fields.map((field) => [field, row.was?.[field], row.now?.[field]])} />
    </details></li>`;
  };
  const tables = Map.groupBy(found.rows, ({ table }) => table);
  return html`<section class="diff" aria-label="What changed" tabindex="0">
    <p class="muted" role="status">From position ${from} to ${to}: ${found.rows.length || "no"} differences${found.next && " so far"}.</p>
    ${[...tables].map(([table, rows]) => html`<h2 key=${table}>${words(table)} <small>${rows.length}</small></h2><ul>${rows.map(listed)}</ul>`)}
    ${found.next && html`<button onClick=${() => more(found.next)}>More</button>`}
  </section>`;
}
