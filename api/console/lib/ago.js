/** How long ago something was; the exact time is said as well. */

import { html } from "./html.js";
import { Store, useStore } from "./store.js";
import { ago, exactly } from "./when.js";

const EVERY = 15_000; // milliseconds
const clock = new Store(Date.now());

setInterval(() => clock.set(Date.now()), EVERY);

export function Ago({ at }) {
  useStore(clock);
  return html`<time datetime=${at} title=${exactly(at)}>${ago(at)}</time>`;
}
