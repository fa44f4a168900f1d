/** What came, went or changed between two moments, table by table. */

import { Compared } from "./event.js";
import { Waits, here, html, useGot, useNames, useStore, words } from "./words.js";

const DULL = new Set(["version", "position", "pos", "id", "project"]);

/** From `a`, or the beginning, to `b`, or the moment that is shown. */
export function Difference({ model, a, b, cursor }) {
  const nameOf = useNames();
  const moment = useStore(model.moment);
  const [from, to] = [+(a ?? model.first), +(b ?? moment.position)].sort((one, other) => one - other);
  const { value, error } = useGot("/replay/diff", { project: model.id, from, to, cursor });
  if (!value) return html`<${Waits} error=${error} />`;
  const { items, next } = value.changes;
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
  return html`<section class="diff" aria-label="What changed" tabindex="0">
    <p class="muted" role="status">From position ${from} to ${to}: ${items.length || "no"} differences.</p>
    ${[...Map.groupBy(items, ({ table }) => table)].map(([table, rows]) => html`<h2>${words(table)}</h2><ul>${rows.map(listed)}</ul>`)}
    ${next && html`<a class="link" href=${here({ cursor: next })}>More</a>`}
  </section>`;
}
