/** Where one is: `#/page/part/part?name=value`. What is after # never reaches a server's log. */

import { Store } from "./html.js";

export const route = new Store(parsed());

addEventListener("hashchange", () => route.set(parsed()));

export const go = (to) => void (location.hash = to);

/** A query; of lists it has each value, of what is empty none. */
export function searched(values = {}) {
  const pairs = Object.entries(values).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  const given = pairs.filter(([, value]) => (value ?? "") !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const address = (parts, values) => `#/${parts.map(encodeURIComponent).join("/")}${searched(values)}`;

export const href = (...parts) => address(parts);

/** Where one is, with other values in the query. */
export function here(changes) {
  const { page, parts, query } = route.value;
  return address([page, ...parts], { ...Object.fromEntries(query), ...changes });
}

/** In place of where one is: nobody wants to go back through so many steps. */
export const turn = (changes) => location.replace(here(changes));

function parsed() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...parts] = path.split("/").map(decodeURIComponent);
  return { page, parts: parts.filter(Boolean), query: new URLSearchParams(query) };
}
