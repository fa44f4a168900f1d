/** What the tabs are made with: what is looked at again and again, tables, buttons that ask. */

import { html, useEffect, useMemo, useState } from "../../lib/html.js";
import { useNames } from "../../lib/people.js";
import { all, get, request } from "../../lib/rest.js";
import { go, route } from "../../lib/route.js";
import { session } from "../../lib/session.js";
import { failed } from "../../lib/toast.js";
import { ago, exactly } from "../../lib/when.js";
import { ask, field, filled, titled } from "./ask.js";

export { html };

const EVERY = 3_000; // milliseconds between two looks
const SOON = 1_100; // after something was done: some answers are a second old
const MORE = 50; // rows

const looks = new Set();

export const can = (action) => session.value.can(action);

/** Look once more at all that is shown, as it is after what was written at `position`. */
export const again = (position) => Promise.all([...looks].map((look) => look(position)));

/** What `load` says, every few seconds while the page is seen; undefined until it has.
 * `key`: of what; `more`: how much of it. */
export function useLook(load, key, more) {
  const [seen, see] = useState({});
  useEffect(() => {
    let turn = 0;
    let timer;
    let wrong; // it is said once
    const look = async (position) => {
      const mine = ++turn;
      clearTimeout(timer);
      const { value, error } = document.hidden ? {} : await load(position).then((value) => ({ value }), (error) => ({ error }));
      if (mine !== turn) return; // a later one is under way, or nobody looks any more
      if (error && !wrong) failed(error);
      wrong = error;
      if (value) see({ key, value });
      timer = setTimeout(look, position ? SOON : EVERY);
    };
    looks.add(look);
    look();
    return () => {
      turn = -1;
      clearTimeout(timer);
      looks.delete(look);
    };
  }, [key, more]);
  return seen.key === key ? seen.value : undefined;
}

/** What a query answers; without a path nothing is asked. */
export const useRead = (path, query) =>
  useLook(async (min_position) => path && get(path, { ...query, min_position }), path + JSON.stringify(query));

/** The rows of a list, and the button for more. */
export function useList(path, query) {
  const key = path + JSON.stringify(query);
  const [wish, want] = useState({});
  const most = wish.key === key ? wish.most : MORE;
  const rows = useLook((min_position) => all(path, { limit: MORE, ...query, min_position }, most), key, most);
  return { rows, more: rows?.length >= most && html`<button onClick=${() => want({ key, most: most + MORE })}>Show more</button>` };
}

const TONES = {
  good: "up ready done active clean serving resolved online running",
  high: "degraded starting unready stopping backoff pending recovering warning paused blocked building refused",
  urgent: "down gone dead firing critical infected deactivated error",
};
const TIME = /^\d{4}-\d\d-\d\dT/;
const PERSON = /(_by|^by|owner|holder|actor|user_id)$/;
const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const wholes = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A value as people read it: times, numbers, words for how something is; by `name` people and sizes. */
export function shown(value, name = "") {
  if ((value ?? "") === "") return "–";
  if (PERSON.test(name)) return html`<${Name} id=${value} />`;
  if (name === "bytes") return size(value);
  if (typeof value === "number") return (Math.abs(value) < 1_000 ? numbers : wholes).format(value);
  if (TIME.test(value)) return html`<time datetime=${value} title=${exactly(value)}>${ago(value)}</time>`;
  const tone = Object.keys(TONES).find((one) => TONES[one].split(" ").includes(value));
  return tone ? html`<span class="tag ${tone}">${value}</span>` : String(value);
}

const Name = ({ id }) => useNames()(id);

export function size(bytes) {
  const power = bytes && Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${numbers.format(bytes / 1_024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** A table under its heading. `fields`: names of the rows', shown as what they are, or as `as` says.
 * @param {object[] | {rows: object[], more: any} | undefined} list @param {any} [beside] the heading */
export function table(of, list, fields, as = {}, empty = "None.", beside) {
  const rows = list?.rows ?? list;
  const names = fields.split(" ").filter((name) => as[name] !== false);
  const key = ({ id, rule, node, ...row }) => id ?? rule ?? node ?? row[names[0]];
  const cell = (row, name) => html`<td key=${name}>${as[name] ? as[name](row) : shown(row[name], name)}</td>`;
  const draw = () => html`<div class="scroll" tabindex="0" role="region" aria-label=${of}>
      <table>
        <thead><tr>${names.map((name) => html`<th key=${name} scope="col">${titled(name)}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr key=${key(row)}>${names.map((name) => cell(row, name))}</tr>`)}</tbody>
      </table>
    </div>
    ${list.more}`;
  return html`<h2>${of} ${beside}</h2>
    ${Array.isArray(rows) && rows.length ? draw() : html`<p class="muted" role="status">${rows?.length === 0 ? empty : "Loading …"}</p>`}`;
}

export const bar = (of, value, max = 1) => html`<progress aria-label="Progress of ${of}" value=${value ?? 0} max=${max || 1} />`;

/** A button for something that is done: `how` as in `POST /path`, or a function of what was asked. */
export const act = (label, about, how, asks) => html`<${Act} ...${{ label, about, how, asks }} />`;

function Act({ label, about, how, asks }) {
  const [busy, setBusy] = useState(false);
  const title = `${label} ${about}`;
  const click = async () => {
    const body = !busy && (asks ? await ask({ title, label, ...asks }) : {});
    if (!body) return;
    setBusy(true);
    try {
      const done = await (how.split ? request(...how.split(" "), { body }) : how(body));
      await again(done?.position ?? undefined);
    } catch (error) {
      failed(error);
    }
    setBusy(false);
  };
  return html`<button aria-disabled=${busy} aria-label=${title} onClick=${click}>${label}</button>`;
}

/** To be asked for why: it is on record. */
export const why = (text, ...more) => ({ text, fields: [["reason", { maxlength: 200, required: true }], ...more] });

export const address = (query) =>
  `operations/${route.value.parts[0]}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`;

/** Leads to something that is chosen in this tab. */
export const link = (query, text) => html`<a class="link" href="#/${address(query)}">${text}</a>`;

/** Of the address what is chosen in these fields. */
export const chosen = (query, fields) => Object.fromEntries(fields.map(([name]) => [name, query.get(name) ?? undefined]));

/** Fields whose values are in the address; what else was chosen there is not any more. */
export function Filters({ query, fields }) {
  const change = (event) => {
    event.preventDefault();
    go(address(filled(event.currentTarget)));
  };
  const draw = () => html`<form class="filters" role="search" onChange=${change} onSubmit=${change}>
    ${fields.map(([name, more, label]) => field([name, Array.isArray(more) ? [["", "–"], ...more] : more, label], { value: query.get(name) ?? "" }))}
  </form>`;
  return useMemo(draw, [`${query}`, `${fields}`]); // not at every look: one may be writing in it
}
