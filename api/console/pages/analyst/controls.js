/** What one chooses of an answer. */

import { Select, html, toast, useAll, useDownload } from "../../lib/page.js";
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
