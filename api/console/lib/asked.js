/** What the server says. */

import { html, useEffect, useState } from "./html.js";
import { asked } from "./http.js";
import { all, answered, get } from "./rest.js";
import { failed, said } from "./toast.js";
import { size } from "./when.js";

export const EVERY = 3_000; // milliseconds between two looks
const SOON = 1_100; // after something was done: some answers are a second old
const MORE = 50; // rows

const looks = new Set();

/** Ask once more for all that is shown, as it is after what was written at `position`. */
export const again = (position) => Promise.all([...looks].map((look) => look(position)));

/** What `load` says. `key`: of what, and `more`: how much of it. `every`: milliseconds after which it is
 * asked again, while it is seen. `keeps`: a value is shown until there is that of another key. */
export function useAsked(load, key, { every, keeps, more } = {}) {
  const [seen, see] = useState({});
  useEffect(() => {
    const left = new AbortController();
    let turn = 0;
    let timer;
    const look = async (position) => {
      const mine = ++turn;
      clearTimeout(timer);
      if (!every) see((before) => ({ ...before, busy: true }));
      const ask = () => load(position, left.signal).then((value) => ({ value }), (error) => ({ error }));
      const { value, error } = every && document.hidden ? {} : await ask();
      if (mine !== turn || left.signal.aborted) return;
      if (value || error || !every) see((before) => ({ value: value ?? (before.key === key ? before.value : undefined), error, key, at: Date.now() }));
      timer = every && setTimeout(look, position ? SOON : every);
    };
    looks.add(look);
    look();
    return () => {
      left.abort();
      clearTimeout(timer);
      looks.delete(look);
    };
  }, [key, more]);
  const { value, error, busy, at } = keeps || seen.key === key ? seen : {};
  return { value, error, at, busy: busy || seen.key !== key };
}

/** The value; that it cannot be had is told once. */
export function useLook(load, key, options) {
  const { value, error } = useAsked(load, key, options);
  useEffect(() => void (error && failed(error)), [error && said(error)]);
  return value;
}

export const useGot = (path, query) => useAsked(() => get(path, query), path + JSON.stringify(query));

/** As it is now; without a path nothing is asked. */
export const useRead = (path, query, every = EVERY) =>
  useLook(async (min_position) => path && get(path, { ...query, min_position }), path + JSON.stringify(query), { every });

export const useDemo = () => useAsked(() => asked("GET", "/auth/demo"), "demo").value ?? { people: [] };

export const useAll = (path) => useLook(() => all(path), path);

/** Rows as they are now, and the button for more. */
export function useList(path, query) {
  const key = path + JSON.stringify(query);
  const [wish, want] = useState({});
  const most = wish.key === key ? wish.most : MORE;
  const load = (min_position) => all(path, { limit: MORE, ...query, min_position }, most);
  const rows = useLook(load, key, { every: EVERY, more: most });
  return { rows, more: rows?.length >= most && html`<button onClick=${() => want({ key, most: most + MORE })}>Show more</button>` };
}

/** What saves an answer under a name, and what is to be seen meanwhile. */
export function useDownload() {
  const [{ left, said }, tell] = useState({});
  const download = async (name, method, path, given) => {
    const left = new AbortController();
    let bytes = 0;
    const transform = (part, on) => {
      bytes += part.length;
      tell({ left, said: `${size(bytes)} so far …` });
      on.enqueue(part);
    };
    tell({ left, said: "Asking …" });
    try {
      const { headers, body } = await answered(method, path, { ...given, signal: left.signal });
      const file = await new Response(body.pipeThrough(new TransformStream({ transform }))).blob();
      const href = URL.createObjectURL(file);
      Object.assign(document.createElement("a"), { href, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
      return { headers, file };
    } catch (error) {
      failed(error);
    } finally {
      tell({});
    }
  };
  return [download, left && html`<span role="status">${said}</span><button type="button" onClick=${() => left.abort()}>Cancel</button>`];
}
