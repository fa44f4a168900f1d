/** Documents that people write together, each a section at a time. */

import { Cursors } from "./cursors.js";
import { Field } from "./field.js";
import { Ago, Line, failed, go, href, html, links, titled, useEffect, useHere, useNames, useRef, useStore } from "./heard.js";

export function Documents({ chosen }) {
  const model = useHere();
  const documents = [...useStore(model.documents).values()].sort((a, b) => a.created_at.localeCompare(b.created_at));
  const shown = chosen ?? documents[0]?.id;
  const to = (id) => href("projects", model.id, "documents", id);
  const add = (title) => void model.addDocument(title).then(({ id }) => go(to(id)), failed);
  return html`<nav class="doc-list" aria-label="Documents">
      ${links(documents.map(({ id, title }) => [to(id), title, id === shown, "doc"]))}
      ${model.can("document.write") && html`<${Line} label="Title of a new document" placeholder="New document" onTaken=${add} />`}
    </nav>
    ${shown ? html`<${Document} key=${shown} id=${shown} />` : html`<p class="empty">There is no document yet.</p>`}`;
}

function Document({ id }) {
  const model = useHere();
  const room = useStore(model.room);
  const nameOf = useNames();
  const surface = useRef();
  const { title = "Document", fields } = useStore(model.documents).get(id) ?? {};
  useEffect(() => void model.openDocument(id).catch(failed), []);
  const may = model.can("document.write");
  const add = (written) => {
    const name = written.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_+|_+$/g, "").slice(0, 64);
    if (!name || fields.has(name)) return false;
    model.changeField(id, name, "").catch(failed);
  };
  const section = ({ name, text, changed_at, changed_by }) => html`<section key=${name} class="doc-section">
    <h3>${titled(name)} <small>${nameOf(changed_by)}, <${Ago} at=${changed_at} /></small></h3>
    <${Field} of="document:${id}" name=${name} label=${titled(name)} value=${text} may=${may} save=${(text, lock) => model.changeField(id, name, text, lock)} />
  </section>`;
  return html`<article class="document-scroll" tabindex="-1" aria-label=${title}>
    <div class="document" ref=${surface}>
      <h2>${title}</h2>
      ${fields && [...fields.values()].map(section)}
      ${fields && may && html`<${Line} label="Name of a new section" placeholder="New section" maxlength="64" onTaken=${add} />`}
      <${Cursors} room=${room} on="document:${id}" surface=${surface} />
    </div>
  </article>`;
}
