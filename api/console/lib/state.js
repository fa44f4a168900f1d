/** How the connection is, what waits to be sent, and the theme. */

import { Icon } from "./controls.js";
import { html, names, useState, useStore } from "./html.js";
import { connection, outbox } from "./live.js";

const WORDS = { connecting: "Connecting …", live: "Live", resuming: "Resuming …", offline: "Offline", closed: "Not connected" };

export function ConnectionState() {
  const { state, queued } = useStore(connection);
  const commands = useStore(outbox);
  const waiting = state === "live" ? 0 : commands.length + queued;
  return html`<details class=${names("connection", state)}>
    <summary>
      <span class="dot" aria-hidden="true"></span>
      <span role="status">${WORDS[state]}${waiting > 0 && html` · <b>${waiting}</b> waiting`}</span>
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

const KEPT = "formula.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" }; // each has an icon of its name

export function ThemeSwitch() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme);
  const turn = () => {
    const next = NEXT[theme];
    document.documentElement.dataset.theme = next;
    localStorage.setItem(KEPT, next);
    setTheme(next);
  };
  return html`<button class="plain" title="Theme: ${theme}" aria-label="Theme: ${theme}" onClick=${turn}>
    <${Icon} name=${theme} />
  </button>`;
}
