/** Addresses of these pages: what is looked at is in them, so that it can be shown to others. */

import { href, route } from "../../lib/route.js";

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
