/** REST: JSON in and out, in the name of who is signed in. */

import { out, token } from "./session.js";

const ROOT = "/api/v1";
const TRIES = 5; // more, of a query that will be answered soon
const PATIENCE = 5; // seconds, the most that is soon

/** A refusal: `code` as in the API's problem documents, or `client.offline` if nobody answered. */
export class RestError extends Error {
  constructor(status, code, detail = {}, retryAfter = undefined) {
    super(code);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter; // seconds
  }
}

/** An answer's JSON. Parameters as below. */
export async function request(method, path, given) {
  const response = await answered(method, path, given);
  return response.status === 204 ? undefined : response.json();
}

/** What is not refused.
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {{query?: object, body?: unknown, key?: string, lock?: string, signal?: AbortSignal}} [given]
 *   `key`: of idempotency. `lock`: fencing tokens of what is written to.
 */
export async function answered(method, path, { query, body, key, lock, signal } = {}) {
  const headers = {
    ...(body !== undefined && { "content-type": "application/json" }),
    ...(key && { "idempotency-key": key }),
    ...(lock && { "lock-token": lock }),
  };
  const url = ROOT + path + searched(query);
  const options = { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) };
  const used = await current();
  const first = await sent(url, options, used);
  const response = first.status === 401 ? await sent(url, options, await current(used)) : first;
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) out(problem.code);
  const { code = `http.${response.status}`, ...detail } = problem;
  throw new RestError(response.status, code, detail, Number(response.headers.get("retry-after") ?? NaN));
}

export const get = (path, query, options) => patiently(() => request("GET", path, { query, ...options }));

/** Asked again where the server says that it will have the answer in a moment. */
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
export const post = (path, body = {}, options) => request("POST", path, { body, ...options });

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

async function current(stale) {
  try {
    return await token(stale);
  } catch (error) {
    throw error.status ? error : new RestError(0, "client.offline");
  }
}

async function sent(url, options, used) {
  const headers = { ...options.headers, authorization: `Bearer ${used}` };
  try {
    return await fetch(url, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new RestError(0, "client.offline");
  }
}

function searched(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
