/** A button for something that is done. */

import { again } from "./asked.js";
import { ask } from "./ask.js";
import { html, useState } from "./html.js";
import { request } from "./rest.js";
import { failed } from "./toast.js";

/** `how` as in `POST /path`, or a function of what was asked; `asks`: see `ask`. */
export const act = (label, about, how, asks) => html`<${Act} ...${{ label, about, how, asks }} />`;

function Act({ label, about, how, asks }) {
  const [busy, setBusy] = useState(false);
  const title = `${label} ${about}`.trim();
  const click = async () => {
    const body = !busy && (asks ? await ask({ title, label, ...asks }) : {});
    if (!body) return;
    setBusy(true);
    try {
      const done = await (how.split ? request(...how.split(" "), { body }) : how(body));
      await again(done?.position ?? undefined);
    } catch (error) {
      failed(error);
    }
    setBusy(false);
  };
  return html`<button aria-disabled=${busy} aria-label=${title} onClick=${click}>${label}</button>`;
}

export const bar = (of, value, max = 1) => html`<progress aria-label="Progress of ${of}" value=${value ?? 0} max=${max || 1} />`;
