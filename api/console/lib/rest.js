/** REST in the name of who is signed in; parameters as of `fetched`. */

import { asked, fetched } from "./http.js";
import { token } from "./session.js";

const TRIES = 5; // more, of a query that will be answered soon
const PATIENCE = 5; // seconds, the most that is soon

const signed = (how) => async (method, path, given) => {
  const used = await token();
  try {
    return await how(method, path, { ...given, token: used });
  } catch (error) {
    const fresh = error.status === 401 && (await token(used));
    if (!fresh) throw error;
    return how(method, path, { ...given, token: fresh });
  }
};

export const answered = signed(fetched);

export const request = signed(asked);

export const get = (path, query, options) => patiently(() => request("GET", path, { query, ...options }));

export const post = (path, body = {}, options) => request("POST", path, { body, ...options });

/** Asked again where the answer will be there in a moment. */
export async function patiently(ask) {
  for (let left = TRIES; ; left--) {
    try {
      return await ask();
    } catch (error) {
      if (!left || ![429, 503].includes(error.status) || !(error.retryAfter <= PATIENCE)) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1_000));
    }
  }
}

/** All rows of a list, page by page, at most `most`. */
export async function all(path, query = {}, most = 1_000) {
  const rows = [];
  let cursor;
  do {
    const page = await get(path, { limit: 200, ...query, cursor });
    rows.push(...page.items);
    cursor = page.next;
  } while (cursor && rows.length < most);
  return rows;
}
