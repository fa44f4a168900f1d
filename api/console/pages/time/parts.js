/** What these pages share: addresses that have all that is looked at, what REST answers, tables. */

import { html, useEffect, useState } from "../../lib/html.js";
import { remember } from "../../lib/people.js";
import { all, get } from "../../lib/rest.js";
import { href, route } from "../../lib/route.js";
import { said } from "../../lib/said.js";

/** @param {string[]} parts of the path @param {object} values of the query; undefined and "" are none */
export function address(parts, values) {
  const given = Object.entries(values).filter(([, value]) => (value ?? "") !== "");
  return `${href(...parts)}?${new URLSearchParams(given)}`;
}

/** Where one is, with other values in the query. */
export function here(changes) {
  const { page, parts, query } = route.value;
  return address([page, ...parts], { ...Object.fromEntries(query), ...changes });
}

/** To there, in place of where one is: nobody wants to go back through so many steps. */
export const turn = (changes) => location.replace(here(changes));

/** @param {object} filter of the audit */
export const audit = (filter) => address(["time", "audit"], filter);

/** The answer once it is there, what is wrong, and how to ask again. */
export function useGot(path, query) {
  const [got, set] = useState({});
  const asked = JSON.stringify([path, query]);
  const ask = () => get(path, query).then((answer) => set({ asked, answer }), (error) => set({ asked, wrong: said(error) }));
  useEffect(() => void ask(), [asked]);
  return got.asked === asked ? [got.answer, got.wrong, ask] : [undefined, undefined, ask];
}

export const Waits = ({ wrong }) => html`<p class="empty" role=${wrong ? "alert" : "status"}>${wrong ?? "Looking it up …"}</p>`;

export const Table = ({ label, heads, rows }) => html`<div class="scroll" tabindex="0" role="group" aria-label=${label}>
  <table>
    <thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
    <tbody>${rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody>
  </table>
</div>`;

export const words = (type) => type.replace(/\.v\d+$/, "").replace(/[._]/g, " ");

/** Who is of a project is known by name. */
export async function names(project) {
  const members = await all(`/projects/${project}/members`);
  remember(members.map(({ user_id, name }) => [user_id, name]));
}
