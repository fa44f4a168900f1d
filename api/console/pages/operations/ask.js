/** Asks for what a command needs, in a dialog. */

import { html, useLayoutEffect, useRef } from "../../lib/html.js";
import { Store, useStore } from "../../lib/store.js";

const asked = new Store();

/** What was said, by field; undefined for who thinks better of it. */
export const ask = (question) => new Promise((answer) => asked.set({ ...question, answer }));

/** What is in the fields of a form; what is empty is left out. */
export const filled = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

/** As `Made at` of made_at, `User` of user_id. */
export const titled = (name) => name[0].toUpperCase() + name.slice(1).replace(/_id$/, "").replaceAll("_", " ");

/** A name, and options (texts, or pairs of a value and its text) or what else an input has. */
export function field([name, more, label = titled(name)], given) {
  const option = ([value, text = value]) => html`<option key=${value} value=${value}>${text}</option>`;
  return html`<label key=${name}>
    ${label}
    ${Array.isArray(more)
      ? html`<select name=${name} ...${given}>${more.map((one) => option([one].flat()))}</select>`
      : html`<input name=${name} ...${more} ...${given} />`}
  </label>`;
}

export function Asking() {
  const question = useStore(asked);
  const dialog = useRef();
  useLayoutEffect(() => dialog.current?.showModal(), [question]);
  if (!question) return;
  const close = (given) => {
    if (asked.value !== question) return;
    dialog.current.close(); // so the focus is where it was
    asked.set();
    question.answer(given);
  };
  const submit = (event) => {
    event.preventDefault();
    close(filled(event.target));
  };
  return html`<dialog ref=${dialog} aria-labelledby="asked" onClose=${() => close()}>
    <form class="ask" onSubmit=${submit}>
      <h2 id="asked">${question.title}</h2>
      <p>${question.text}</p>
      ${question.fields?.map((one) => field(one))}
      <div class="tags">
        <button class="primary">${question.label}</button>
        <button type="button" onClick=${() => close()}>Not now</button>
      </div>
    </form>
  </dialog>`;
}
