/** Requests to REST, in the name of who has the `token`. */

import { searched } from "./route.js";

/** What is not refused; a refusal is thrown, with its `code` (`client.offline` if nobody answered).
 * `key`: of idempotency. `lock`: fencing tokens of what is written to. */
export async function fetched(method, path, { query, body, key, lock, token, signal } = {}) {
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(key && { "idempotency-key": key }),
    ...(lock && { "lock-token": lock }),
    ...(token && { authorization: `Bearer ${token}` }),
  };
  const options = { method, headers, signal, body: body && JSON.stringify(body) };
  const response = await fetch(`/api/v1${path}${searched(query)}`, options).catch((error) => {
    throw error.name === "AbortError" ? error : wrong({ status: 0, code: "client.offline" });
  });
  if (response.ok) return response;
  const { status } = response;
  const { code = `http.${status}`, ...detail } = await response.json().catch(() => ({}));
  throw wrong({ status, code, detail, retryAfter: Number(response.headers.get("retry-after") ?? NaN) }); // in seconds
}

const wrong = (problem) => Object.assign(new Error(problem.code), problem);

export async function asked(method, path, given) {
  const response = await fetched(method, path, given);
  return response.status === 204 ? undefined : response.json();
}
