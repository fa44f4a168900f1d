/** REST commands that the server has not confirmed, in order, kept over a drop; each has an
 * idempotency key, so to send it again after a lost answer is safe. */

import { connection } from "./live.js";
import { request } from "./rest.js";
import { Store } from "./store.js";

const AGAIN = 2_000; // milliseconds, where nothing says that the network is back

export const outbox = new Store([]); // the oldest first

const PASSING = new Set([0, 429, 503]); // statuses after which it is tried again

let working = false;

/** The answer, once there is one. `label` is read while it waits. */
export function send(command) {
  return new Promise((resolve, reject) => {
    const entry = { ...command, key: newKey(), resolve, reject };
    outbox.update((all) => [...all, entry]);
    if (!working) work();
  });
}

async function work() {
  working = true;
  for (let entry; (entry = outbox.value[0]); ) {
    const { method, path, body, lock, key, resolve, reject } = entry;
    try {
      resolve(await request(method, path, { body, lock, key }));
    } catch (error) {
      if (PASSING.has(error.status)) {
        await patience(error);
        continue;
      }
      reject(error);
    }
    outbox.update((all) => all.slice(1));
  }
  working = false;
}

async function patience({ retryAfter }) {
  let stop;
  await new Promise((resolve) => {
    setTimeout(resolve, retryAfter ? retryAfter * 1_000 : AGAIN);
    stop = connection.on(({ state }) => state === "live" && resolve());
  });
  stop();
}

/** crypto.randomUUID is not there on pages without TLS. */
const newKey = () => crypto.getRandomValues(new BigUint64Array(2)).join("-");

addEventListener("beforeunload", (event) => {
  if (outbox.value.length) event.preventDefault();
});
