/** Refusals in words, and messages that come and go. */

import { Store, html, useStore } from "./html.js";

// A code without words is shown as it is: operators know them.
const WORDS = {
  "access.denied": "You may not do that.",
  "api_key.bad_scope": "There is no such scope.",
  "auth.bad_token": "Your session has ended.",
  "auth.bad_credentials": "Wrong e-mail or password.",
  "auth.deactivated": "This account is deactivated.",
  "auth.signed_out": "You were signed out.",
  "auth.expired": "Your session has ended.",
  "auth.token_reused": "Your session was ended, since its token was used twice.",
  "benchmark.running": "One is running: wait until it is over, or cancel it among the jobs.",
  "client.offline": "Formula cannot be reached.",
  "client.dropped": "The connection dropped.",
  "lock.held": "Somebody else is editing this.",
  "lock.lost": "Your hold on this field has ended; nothing was saved.",
  "email.taken": "Somebody has that address already.",
  "letter.behind": "It waits behind another of its stream: see to that first.",
  "position.not_reached": "It is noted, and cannot be seen yet.",
  "projection.building": "It is being built already.",
  "projection.nothing_before": "There is nothing before it to go back to.",
  "rate.limited": "Too much at once; try again in a moment.",
  "replay.not_created_yet": "The project was not there yet.",
  "replay.not_yet": "That is yet to come.",
  "request.invalid": "That is not valid.",
  "server.failed": "Something went wrong on the server.",
  "store.unavailable": "The database is away; try again in a moment.",
};

export function said(error) {
  const code = error?.code ?? error;
  const [, what] = /([a-z]+)[._]not_found$/.exec(code) ?? [];
  if (what) return `There is no such ${what}, or it is not yours to see.`;
  if (WORDS[code] && !error.detail?.errors) return WORDS[code];
  if (!error?.code) return "Something went wrong on this page.";
  return [WORDS[code] ?? `Refused: ${code}.`, ...details(error.detail)].join(" ");
}

/** What a problem document says beside what all of them do. */
const details = ({ type, title, status, instance, errors = [], ...own } = {}) =>
  [...errors.map(({ key, message }) => [key, message]), ...Object.entries(own)].map(([name, value]) => `${name}: ${value}.`);

const SHOWN = 6_000; // milliseconds
const MOST = 4;

const toasts = new Store([]);
let count = 0;

export function toast(text, kind = "info") {
  const one = { id: ++count, text, kind };
  toasts.update((all) => [...all.slice(1 - MOST), one]);
  setTimeout(() => dismiss(one.id), SHOWN);
}

/** For `catch`. What one has cancelled is no error. */
export function failed(error) {
  if (error?.name === "AbortError" || error?.code === "client.closed") return;
  if (error?.code === undefined) console.error(error);
  toast(said(error), "error");
}

const dismiss = (id) => toasts.update((all) => all.filter((one) => one.id !== id));

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${useStore(toasts).map(
      ({ id, text, kind }) => html`<div key=${id} class="toast ${kind}">
        <span>${text}</span>
        <button class="plain" aria-label="Dismiss" onClick=${() => dismiss(id)}>✕</button>
      </div>`,
    )}
  </div>`;
}
