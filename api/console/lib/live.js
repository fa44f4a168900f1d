/** The live connection of this page, and commands that wait for it. */

import { connect } from "../client/formula.js";
import { Store } from "./html.js";
import { request } from "./rest.js";
import { out, session, token } from "./session.js";

export const connection = new Store({ state: "closed", queued: 0 });

let formula;
let whose;

export const live = () => formula;

export const leave = (room) => live()?.leave(room).catch(() => {});

session.on(({ state, me }) => {
  if (state === "in" && me.id === whose) return;
  formula?.close();
  formula = undefined;
  whose = me?.id;
  if (state === "in") open();
});

function open() {
  const opened = (formula = connect({ token, device: "console" }));
  opened.on("state", (told) => {
    if (opened !== formula) return;
    connection.set(told);
    // it is over, and not by us: the log-in has ended, or its rights have
    if (told.state === "closed" && told.error?.code !== "client.closed") out(told.error?.detail.reason);
  });
}

const AGAIN = 2_000; // milliseconds, where nothing says that the network is back

export const outbox = new Store([]); // the oldest first

const PASSING = new Set([0, 429, 503]); // statuses after which it is tried again

let working = false;

/** The answer, once there is one. `label` is read while it waits. With its key, it is safe to send it again. */
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
