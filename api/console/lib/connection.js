/** How the connection is, and what waits to be sent. */

import { html, names } from "./html.js";
import { connection } from "./live.js";
import { outbox } from "./outbox.js";
import { useStore } from "./store.js";

const WORDS = {
  connecting: "Connecting …",
  live: "Live",
  resuming: "Resuming …",
  offline: "Offline",
  closed: "Not connected",
};

export function ConnectionState() {
  const { state, queued } = useStore(connection);
  const commands = useStore(outbox);
  const waiting = state === "live" ? 0 : commands.length + queued;
  return html`<details class=${names("connection", state)}>
    <summary>
      <span class="dot" aria-hidden="true"></span>
      <span role="status"
        >${WORDS[state]}${waiting > 0 && html` · <b>${waiting}</b> waiting`}</span
      >
    </summary>
    <div class="pop">
      ${state === "live"
        ? html`<p>What anybody does here is on your screen at once.</p>`
        : html`<p>What you do now is sent, once and in order, when the connection is back.</p>`}
      ${commands.length > 0 && html`<ol>${commands.map(({ key, label }) => html`<li key=${key}>${label}</li>`)}</ol>`}
      ${queued > 0 && state !== "live" && html`<p>${queued} more in rooms (locks, joining).</p>`}
    </div>
  </details>`;
}
