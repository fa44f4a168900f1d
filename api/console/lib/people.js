/** People by id: names, initials and colours. */

import { Store, html, names, useStore } from "./html.js";
import { all, get } from "./rest.js";
import { session } from "./session.js";

// Each has a contrast of at least 4.5 with white.
const COLOURS = ["#c2255c", "#9c36b5", "#6741d9", "#3b5bdb", "#1864ab", "#0b7285", "#087f5b", "#237a35", "#a14a00", "#c92a2a", "#7a5200", "#495057"];

const known = new Store(new Map());
const asked = new Set();

function remember(pairs) {
  known.update((before) => new Map([...before, ...pairs.filter(([, name]) => name)]));
}

/** They are known by name from then on. */
export async function membersOf(project, query) {
  const members = await all(`/projects/${project}/members`, query);
  remember(members.map(({ user_id, name }) => [user_id, name]));
  return members;
}

session.on(({ state, me }) => {
  asked.clear();
  if (state === "in") remember([[me.id, me.name]]);
});

export function nameOf(id) {
  if (!id) return "Formula";
  const name = known.value.get(id);
  if (name === undefined && !asked.has(id) && session.value.can("user.read")) {
    asked.add(id);
    get(`/users/${id}`).then((user) => remember([[id, user.name]]), () => {});
  }
  return name ?? "Somebody";
}

/** As nameOf; the component is drawn anew once more are known. */
export function useNames() {
  useStore(known);
  return nameOf;
}

/** Whether somebody's id has that name. */
export const isPerson = (name) => /^(actor|author|assignee|manager|owner|holder|user|user_id|waiter|(\w+_)?by)$/.test(name);

export function colourOf(id) {
  let hash = 0;
  for (const letter of id ?? "") hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return COLOURS[hash % COLOURS.length];
}

function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  return [words[0], words.length > 1 && words.at(-1)].map((word) => word?.[0] ?? "").join("").toUpperCase();
}

/** `away`: a connection that dropped. Where no name is beside it, it needs `label`. */
export function Avatar({ id, name, status, away, label, small }) {
  useStore(known);
  const shown = name ?? nameOf(id);
  const quiet = away || status === "away";
  return html`<span
    class=${names("avatar", small && "small", quiet && "away", status === "busy" && "busy")}
    style=${{ background: colourOf(id) }}
    role=${label && "img"}
    aria-label=${label}
    aria-hidden=${label ? undefined : "true"}
    title=${label ?? shown}
  >
    ${initials(shown)}
  </span>`;
}
