/** Where one is: `#/page/part/part?name=value`. What is after # never reaches a server's log. */

import { Store } from "./store.js";

/** @type {Store<{page: string, parts: string[], query: URLSearchParams}>} */
export const route = new Store(parsed());

addEventListener("hashchange", () => route.set(parsed()));

/** @param {string} path as `projects/<id>` */
export function go(path) {
  location.hash = `#/${path}`;
}

export const href = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

function parsed() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...parts] = path.split("/").map(decodeURIComponent);
  return { page, parts: parts.filter(Boolean), query: new URLSearchParams(query) };
}
