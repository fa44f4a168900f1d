/** The queries that one keeps, and what can be asked. */

import { again, failed, get, go, html, instead, question, request, toast, useLook } from "./asking.js";

const ROOT = "/analytics/queries";

export function Saved({ name, sql, drawing }) {
  const queries = useLook(() => get(ROOT), ROOT) ?? [];
  const change = (method, of, body) => request(method, `${ROOT}/${encodeURIComponent(of)}`, { body }).then(() => again());
  const save = ({ elements }) => {
    const as = elements.name.value.trim();
    change("PUT", as, { sql, drawing }).then(() => go(question({ name: as, sql, drawing })), failed);
  };
  const remove = () => change("DELETE", name).then(() => toast(`“${name}” is removed; its text is still here`), failed);
  return html`<section>
    <h2>Saved</h2>
    ${!queries.length && html`<p class="muted">Questions that you save will be here, for you alone.</p>`}
    <ul>${queries.map((one) => html`<li key=${one.name}><a class="saved" href=${question(one)} aria-current=${one.name === name || undefined}>${one.name}</a></li>`)}</ul>
    <form class="row" onSubmit=${instead(save)}>
      <input key=${name} name="name" defaultValue=${name} maxlength="80" pattern="[^/]+" title="A name without /" placeholder="Name" required aria-label="Name of the question" />
      <button disabled=${!sql.trim()}>Save</button>
      ${queries.some((one) => one.name === name) && html`<button type="button" onClick=${remove}>Remove</button>`}
    </form>
  </section>`;
}

export const useCatalog = () => useLook(() => get("/analytics/views"), "catalog") ?? { views: [], functions: [], examples: [] };

/** `insert` writes a name where the cursor is. */
export function Tables({ insert }) {
  const { views, functions } = useCatalog();
  const names = (all) =>
    all.map(({ name, type, about }) => html`<button key=${name} type="button" class="plain name" title=${about} onClick=${() => insert(name)}><code>${name}</code><small>${type}</small></button>`);
  return html`<section>
    <h2>Tables</h2>
    ${views.map((view) => html`<details key=${view.name}><summary>${view.name}</summary><p class="muted">${view.about}</p>${names([view, ...view.columns])}</details>`)}
    <details><summary>functions</summary>${names(functions)}</details>
  </section>`;
}
