/** Short messages that come and go by themselves; screen readers say them. */

import { html } from "./html.js";
import { said } from "./said.js";
import { Store, useStore } from "./store.js";

const SHOWN = 6_000; // milliseconds
const MOST = 4;

const toasts = new Store([]);
let count = 0;

export function toast(text, kind = "info") {
  const one = { id: ++count, text, kind };
  toasts.update((all) => [...all.slice(1 - MOST), one]);
  setTimeout(() => dismiss(one.id), SHOWN);
}

/** For `catch`: an error as people read it. What one has cancelled is none. */
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
