/** One event: who did it, from where, what it changed, what it came of and led to. */

import { html, useEffect, useLayoutEffect, useRef, useState } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { useNames } from "../../lib/people.js";
import { get } from "../../lib/rest.js";
import { said } from "../../lib/said.js";
import { exactly } from "../../lib/when.js";
import { address, audit, here } from "./where.js";

const PERSON = /^(actor|author|assignee|manager|holder|user|user_id|waiter|\w+_by)$/;

export const words = (type) => type.replace(/\.v\d+$/, "").replace(/[._]/g, " ");

export function EventPanel({ position }) {
  const [found, setFound] = useState();
  const [wrong, setWrong] = useState();
  const panel = useRef();
  const close = here({ event: "" });
  useLayoutEffect(() => panel.current.focus({ preventScroll: true }), []);
  useEffect(() => {
    Promise.all(["", "/tree"].map((part) => get(`/audit/${position}${part}`))).then(setFound, (error) => setWrong(said(error)));
  }, []);
  return html`<aside class="panel" ref=${panel} tabindex="-1" aria-label="Event ${position}" onKeyDown=${({ key }) => key === "Escape" && location.replace(close)}>
    <div class="panel-head"><span class="muted">Event ${position}</span><a class="back" href=${close} aria-label="Close the event"><${Icon} name="close" /></a></div>
    ${found ? html`<${Told} event=${found[0]} tree=${found[1]} />` : html`<p class="empty" role=${wrong ? "alert" : "status"}>${wrong ?? "Looking it up …"}</p>`}
  </aside>`;
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
    ${changes ? html`<${Compared} rows=${Object.entries(changes).map(([name, { before, after }]) => [name, before, after])} />` : html`<p>Too many versions to tell.</p>`}
    <h3>Why, and what came of it</h3>
    <ol class="tree">
      ${tree.map((node) => html`<li key=${node.position} style=${{ "--depth": node.depth - tree[0].depth }}>
        <a href=${here({ event: node.position })} aria-current=${node.position === position}>${words(node.type)}</a> <small>${nameOf(node.actor)}</small>
      </li>`)}
    </ol>
    <details><summary>As it is stored</summary><pre tabindex="0">${JSON.stringify({ ...event, changes: undefined }, null, 1)}</pre></details>
  `;
}

/** Fields, each with its two values. */
export function Compared({ rows }) {
  const nameOf = useNames();
  const shown = (name, value) => (PERSON.test(name) && value ? nameOf(value) : typeof value === "string" ? value : JSON.stringify(value ?? "–").replaceAll('"', ""));
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Before and after">
    <table>
      <thead><tr>${["Field", "Before", "After"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.map(([name, before, after]) => html`<tr key=${name}><th scope="row">${name}</th><td><del>${shown(name, before)}</del></td><td><ins>${shown(name, after)}</ins></td></tr>`)}</tbody>
    </table>
  </div>`;
}
