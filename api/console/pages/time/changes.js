/** What changed, by one event or between two moments. */

import { Panel, Table, Waits, address, audit, exactly, here, html, isPerson, useGot, useNames, useStore, words } from "./words.js";

const DULL = new Set(["version", "position", "pos", "id", "project"]);

export function EventPanel({ position }) {
  const { value: event, error } = useGot(`/audit/${position}`);
  const { value: tree } = useGot(`/audit/${position}/tree`);
  return html`<${Panel} title="Event ${position}" from=${`[href$="event=${position}"]`} close=${here({ event: "" })}>
    ${event && tree ? html`<${Told} event=${event} tree=${tree} />` : html`<${Waits} error=${error} />`}
  <//>`;
}

function Told({ event, tree }) {
  const nameOf = useNames();
  const { position, at, actor, on_behalf_of: behalf, ip, user_agent: agent, command, aggregate, subject, version, project, changes } = event;
  const facts = {
    Who: actor ? html`<a href=${audit({ actor })}>${nameOf(actor)}</a>` : "Formula itself",
    For: behalf && nameOf(behalf),
    When: exactly(at),
    From: ip && `${ip}, ${agent}`,
    How: command,
    Of: html`<a href=${audit({ subject })}>${aggregate} ${subject}</a>, version ${version}`,
  };
  return html`
    <h2>${words(event.type)}</h2>
    <dl>${Object.entries(facts).map(([name, value]) => value && html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    ${project && html`<a class="link" href=${address(["time", project], { at: position, event: position })}>The project at this moment</a>`}
    <h3>What it changed</h3>
    ${changes ? html`<${Compared} rows=${Object.entries(changes).map(([name, { before, after }]) => [name, before, after])} />` : "Too many versions to tell."}
    <h3>Why, and what came of it</h3>
    <ol class="tree">
      ${tree.map((node) => html`<li key=${node.position} style=${{ "--depth": node.depth - tree[0].depth }}>
        <a href=${here({ event: node.position })} aria-current=${node.position === position}>${words(node.type)}</a> <small>${nameOf(node.actor)}</small>
      </li>`)}
    </ol>
    <details><summary>As it is stored</summary><pre tabindex="0">${JSON.stringify({ ...event, changes: undefined }, null, 1)}</pre></details>
  `;
}

function Compared({ rows }) {
  const nameOf = useNames();
  const shown = (name, value) => {
    if (value === null || value === undefined) return "–";
    if (isPerson(name)) return nameOf(value);
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  const cells = rows.map(([name, before, after]) => [name, html`<del>${shown(name, before)}</del>`, html`<ins>${shown(name, after)}</ins>`]);
  return html`<${Table} label="Before and after" heads=${["Field", "Before", "After"]} rows=${cells} />`;
}

/** From `a`, or the beginning, to `b`, or the moment that is shown. */
export function Difference({ model, query }) {
  const { a, b, cursor } = Object.fromEntries(query);
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
