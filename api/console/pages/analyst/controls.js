/** What one chooses: how an answer is drawn, a project, a file of an answer. */

import { html, useEffect, useState } from "../../lib/html.js";
import { all, answered } from "../../lib/rest.js";
import { failed, toast } from "../../lib/toast.js";
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
    html`<label>Along<select value=${x} onChange=${({ target }) => draw({ kind, x: target.value, y })}>${answer.columns.map(({ name }) => html`<option key=${name}>${name}</option>`)}</select></label>
      <fieldset><legend class="hidden">Figures</legend>${numbers.map((name) => choice("checkbox", name, y.includes(name), { y: turn(name) }))}</fieldset>`}
  </div>`;
}

/** One of the projects that one sees, or all. */
export function Project({ value, onInput }) {
  const [projects, setProjects] = useState([]);
  useEffect(() => void all("/projects").then(setProjects, failed), []);
  return html`<select value=${value ?? ""} onInput=${onInput}>
    <option value="">All projects</option>
    ${projects.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
  </select>`;
}

/** A file of all of an answer: asked anew, since it may have more rows than are shown. */
export function Export({ question, name }) {
  const [{ left, said }, setWork] = useState({});
  const start = async (format) => {
    const left = new AbortController();
    let bytes = 0;
    const transform = (part, on) => {
      setWork({ left, said: `${((bytes += part.length) / 1e6).toFixed(1)} MB` });
      on.enqueue(part);
    };
    setWork({ left, said: "Asking …" });
    try {
      const body = { ...question, format, limit: 100_000 };
      const { headers, body: stream } = await answered("POST", "/analytics/query", { body, signal: left.signal });
      const file = await new Response(stream.pipeThrough(new TransformStream({ transform }))).blob();
      const href = URL.createObjectURL(file);
      Object.assign(document.createElement("a"), { href, download: `${name || "answer"}.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
      toast(`${headers.get("x-rows")} rows are in the file${headers.get("x-truncated") === "true" ? "; there are more" : ""}`);
    } catch (error) {
      failed(error);
    }
    setWork({});
  };
  return html`<div class="row" role="group" aria-label="Export">
    ${left
      ? html`<span role="status">${said}</span><button onClick=${() => left.abort()}>Cancel</button>`
      : Object.entries(FORMATS).map(([format, title]) => html`<button key=${format} onClick=${() => start(format)}>${title}</button>`)}
  </div>`;
}
