/** What is around an answer: its drawing, its files, kept queries, tables. */

import { Select, failed, get, go, html, instead, question, request, toast, useAll, useDownload, useLook, useState } from "./asking.js";
import { complete } from "./drawn.js";

const KINDS = { table: "Table", line: "Lines", bars: "Bars", heat: "Heat map" };
const FORMATS = { csv: "CSV", json: "JSON", parquet: "Parquet" };

export function Drawing({ answer, drawing, draw }) {
  const { kind, x, y, numbers } = complete(answer, drawing);
  const turn = (name) => (kind === "heat" ? [name] : y.includes(name) ? y.filter((one) => one !== name) : [...y, name].slice(-8));
  const choice = (type, label, checked, drawn) => html`<label key=${label}><input type=${type} name=${type} checked=${checked} onChange=${() => draw({ kind, x, y, ...drawn })} />${label}</label>`;
  return html`<div class="choices">
    <fieldset><legend class="hidden">Draw as</legend>${Object.entries(KINDS).map(([name, title]) => choice("radio", title, name === kind, { kind: name, x: "", y: [] }))}</fieldset>
    ${kind !== "table" &&
    html`<label>Along<${Select} value=${x} options=${answer.columns.map(({ name }) => name)} onValue=${(x) => draw({ kind, x, y })} /></label>
      <fieldset><legend class="hidden">Figures</legend>${numbers.map((name) => choice("checkbox", name, y.includes(name), { y: turn(name) }))}</fieldset>`}
  </div>`;
}

export const useProjects = () => [["", "All projects"], ...(useAll("/projects") ?? []).map(({ id, name }) => [id, name])];

export const Project = (given) => html`<${Select} options=${useProjects()} ...${given} />`;

/** Asked anew: a file may have more rows than are shown. */
export function Export({ asked, name }) {
  const [download, progress] = useDownload();
  const start = async (format) => {
    const body = { ...asked, format, limit: 100_000 };
    const done = await download(`${name || "answer"}.${format}`, "POST", "/analytics/query", { body });
    if (done) toast(`${done.headers.get("x-rows")} rows are in the file${done.headers.get("x-truncated") === "true" ? "; there are more" : ""}`);
  };
  return html`<div class="row" role="group" aria-label="Export">
    ${progress ?? Object.entries(FORMATS).map(([format, title]) => html`<button key=${format} onClick=${() => start(format)}>${title}</button>`)}
  </div>`;
}

const ROOT = "/analytics/queries";

export function Saved({ name, sql, drawing }) {
  const [version, setVersion] = useState(0);
  const queries = useLook(() => get(ROOT), `${ROOT} ${version}`, { keeps: true }) ?? [];
  const change = (method, of, body) => request(method, `${ROOT}/${encodeURIComponent(of)}`, { body }).then(() => setVersion(version + 1));
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
