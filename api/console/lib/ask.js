/** Forms, and the dialog that asks for what a command needs. */

import { Select } from "./controls.js";
import { html, useLayoutEffect, useRef } from "./html.js";
import { Store, useStore } from "./store.js";

const asked = new Store();

/** What was said, by field; undefined for who thinks better of it. A question is `title`, `label`, `text` and `fields`. */
export const ask = (question) => new Promise((answer) => asked.set({ ...question, answer }));

/** To be asked for why: it is on record. */
export const why = (text, ...more) => ({ text, fields: [["reason", { maxlength: 200, required: true }], ...more] });

/** For `onSubmit` and the like: what is done instead of what browsers do. */
export const instead = (act) => (event) => {
  event.preventDefault();
  return act(event.currentTarget, event);
};

/** What is in the fields of a form; what is empty is left out. */
export const filled = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

/** As `Made at` of made_at, `User` of user_id. */
export const titled = (name) => name[0].toUpperCase() + name.slice(1).replace(/_id$/, "").replaceAll("_", " ");

/** A name, and options (see Select) or what else an input has. */
export const field = ([name, more, label = titled(name)], given) => html`<label key=${name}>
  ${label}
  ${Array.isArray(more) ? html`<${Select} name=${name} options=${more} ...${given} />` : html`<input name=${name} ...${more} ...${given} />`}
</label>`;

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
  return html`<dialog ref=${dialog} aria-labelledby="asked" onClose=${() => close()}>
    <form class="asking" onSubmit=${instead((form) => close(filled(form)))}>
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
