/** Documents that people write together: sections that each of them locks while they write. */

import { html, useEffect, useRef } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { useNames } from "../../lib/people.js";
import { go, href } from "../../lib/route.js";
import { useStore } from "../../lib/store.js";
import { failed } from "../../lib/toast.js";
import { ago } from "../../lib/when.js";
import { Cursors } from "./cursors.js";
import { Field } from "./field.js";
import { useClock, useHere } from "./heard.js";

export function Documents({ chosen }) {
  const model = useHere();
  const documents = [...useStore(model.documents).values()].sort((a, b) => a.created_at.localeCompare(b.created_at));
  const shown = chosen ?? documents[0]?.id;
  const add = async (event) => {
    event.preventDefault();
    const input = event.target.elements.title;
    const title = input.value.trim();
    if (!title) return;
    input.value = "";
    await model.addDocument(title).then(({ id }) => go(`projects/${model.id}/documents/${id}`), failed);
  };
  return html`<nav class="doc-list" aria-label="Documents">
      ${documents.map(
        ({ id, title }) => html`<a key=${id} href=${href("projects", model.id, "documents", id)} aria-current=${id === shown ? "page" : undefined}><${Icon} name="doc" /><span>${title}</span></a>`,
      )}
      ${model.can("document.write") &&
      html`<form onSubmit=${add}><input name="title" maxlength="200" placeholder="New document" aria-label="Title of a new document" /></form>`}
    </nav>
    ${shown ? html`<${Document} key=${shown} id=${shown} />` : html`<p class="empty">There is no document yet.</p>`}`;
}

function Document({ id }) {
  const model = useHere();
  const room = useStore(model.room);
  const nameOf = useNames();
  const now = useClock(15_000);
  const surface = useRef();
  const document = useStore(model.documents).get(id);
  useEffect(() => {
    model.openDocument(id).catch(failed);
  }, []);
  const may = model.can("document.write");
  const fields = [...(document?.fields?.values() ?? [])];
  return html`<article class="document-scroll" tabindex="-1" aria-label=${document?.title ?? "Document"}>
    <div class="document" ref=${surface}>
      ${document && html`<h2>${document.title}</h2>`}
      ${fields.map(
        ({ name, text, changed_at, changed_by }) => html`<section key=${name} class="doc-section">
          <h3>${titled(name)} <small>${nameOf(changed_by)}, ${ago(changed_at, now)}</small></h3>
          <${Field} of="document:${id}" name=${name} label=${titled(name)} value=${text} may=${may} most="20000" save=${(text, lock) => model.changeField(id, name, text, lock)} />
        </section>`,
      )}
      ${document?.fields && may && html`<${NewSection} id=${id} fields=${document.fields} />`}
      <${Cursors} room=${room} on="document:${id}" surface=${surface} />
    </div>
  </article>`;
}

function NewSection({ id, fields }) {
  const model = useHere();
  const add = (event) => {
    event.preventDefault();
    const input = event.target.elements.name;
    const name = input.value.trim().toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 64);
    if (!name || fields.has(name)) return;
    input.value = "";
    model.changeField(id, name, "").catch(failed);
  };
  return html`<form onSubmit=${add}><input name="name" maxlength="64" placeholder="New section" aria-label="Name of a new section" /></form>`;
}

const titled = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
