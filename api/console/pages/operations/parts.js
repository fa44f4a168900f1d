/** What the tabs are made with. */

import { Ago, Table, address, html, isPerson, numbers, route, size, titled, useNames } from "../../lib/page.js";

export * from "../../lib/page.js";

const TONES = {
  good: "up ready done active clean serving resolved online running",
  high: "degraded starting unready stopping backoff pending recovering warning paused blocked building refused",
  urgent: "down gone dead firing critical infected deactivated error",
};
const TIME = /^\d{4}-\d\d-\d\dT/;
const wholes = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A value as people read it; by `name` people and sizes. */
export function shown(value, name = "") {
  if ((value ?? "") === "") return "–";
  if (isPerson(name)) return html`<${Name} id=${value} />`;
  if (name === "bytes") return size(value);
  if (typeof value === "number") return (Math.abs(value) < 1_000 ? numbers : wholes).format(value);
  if (TIME.test(value)) return html`<${Ago} at=${value} />`;
  const tone = Object.keys(TONES).find((one) => TONES[one].split(" ").includes(value));
  return tone ? html`<span class="tag ${tone}">${value}</span>` : String(value);
}

const Name = ({ id }) => useNames()(id);

/** `fields`: names of the rows', shown as what they are, or as `as` says. `beside`: the heading. */
export function table(of, list, fields, as = {}, empty = "None.", beside) {
  const all = list?.rows ?? list;
  const names = fields.split(" ").filter((name) => as[name] !== false);
  const key = ({ id, rule, node, ...row }) => id ?? rule ?? node ?? row[names[0]];
  const cells = (row) => names.map((name) => (as[name] ? as[name](row) : shown(row[name], name)));
  return html`<h2>${of} ${beside}</h2>
    ${Array.isArray(all) && all.length
      ? html`<${Table} label=${of} heads=${names.map(titled)} rows=${all.map(cells)} keys=${all.map(key)} />${list.more}`
      : html`<p class="muted" role="status">${all?.length === 0 ? empty : "Loading …"}</p>`}`;
}

export const tab = (query) => address(["operations", ...route.value.parts.slice(0, 1)], query);

export const link = (query, text) => html`<a class="link" href=${tab(query)}>${text}</a>`;
