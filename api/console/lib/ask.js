/** Forms, buttons for commands, and the dialog that asks for what they need. */

import { again } from "./asked.js";
import { Select } from "./controls.js";
import { Store, html, instead, useLayoutEffect, useRef, useState, useStore } from "./html.js";
import { request } from "./rest.js";
import { address, go, route } from "./route.js";
import { failed } from "./toast.js";

const asked = new Store();

/** What was said, by field; undefined for who thinks better of it. */
export const ask = (question) =>
  new Promise((answer) => {
    asked.value?.answer();
    asked.set({ ...question, answer });
  });

/** To be asked for why: it is on record. */
export const why = (text, ...more) => ({ text, fields: [["reason", { maxlength: 200, required: true }], ...more] });

/** What is in the fields that are not empty. */
const filled = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

/** As `Made at` of made_at, `User` of user_id. */
export const titled = (name) => name[0].toUpperCase() + name.slice(1).replace(/_id$/, "").replaceAll("_", " ");

/** A name, and options (see Select) or what else an input has. */
const field = ([name, more, label = titled(name)], given) => html`<label key=${name}>
  ${label}
  ${Array.isArray(more) ? html`<${Select} name=${name} options=${more} ...${given} />` : html`<input name=${name} ...${more} ...${given} />`}
</label>`;

export function Asking() {
  const question = useStore(asked);
  return question && html`<${Question} key=${question} question=${question} />`; // each has a dialog of its own
}

function Question({ question }) {
  const dialog = useRef();
  useLayoutEffect(() => dialog.current.showModal(), []);
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

/** A command whose address ends with its name. */
export const order = (label, about, path, asks) => act(label, about, `POST ${path}/${label.toLowerCase().replace(" ", "-")}`, asks);

/** A button. `how` as in `POST /path`, or a function of what was asked; `asks`: see `ask`. */
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

/** Fields whose values are in the address, and nothing else is. */
export function Filters({ query, fields }) {
  const change = instead((form) => go(address([route.value.page, ...route.value.parts], filled(form))));
  const all = (more) => (Array.isArray(more) && more[0]?.[0] !== "" ? [["", "–"], ...more] : more);
  const form = useRef();
  useLayoutEffect(() => {
    for (const input of form.current.querySelectorAll("input")) input.value = query.get(input.name) ?? "";
  }, [`${query}`]); // and at no other time: one may be writing in it
  return html`<form class="filters" role="search" ref=${form} onChange=${change} onSubmit=${change}>
    ${fields.map(([name, more, label]) => field([name, all(more), label], Array.isArray(more) && { value: query.get(name) ?? "" }))}
  </form>`;
}

export const chosen = (query, fields) => Object.fromEntries(fields.map(([name]) => [name, query.get(name) ?? undefined]));
