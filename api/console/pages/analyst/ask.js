/** Questions of one's own: written, run, drawn, exported, kept. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { get } from "../../lib/rest.js";
import { go, href } from "../../lib/route.js";
import { failed } from "../../lib/toast.js";
import { address, read } from "./address.js";
import { parametersOf, useAnswer, wrong } from "./asking.js";
import { Drawing } from "./drawing.js";
import { Drawn } from "./drawn.js";
import { Export } from "./export.js";
import { Saved } from "./saved.js";
import { Schema } from "./schema.js";

export function Ask({ query }) {
  const asked = read(query);
  const { sql, parameters, drawing } = asked;
  const [text, setText] = useState(sql);
  const [values, setValues] = useState(parameters);
  const [again, setAgain] = useState(0);
  const area = useRef();
  useEffect(() => {
    setText(sql);
    setValues(parameters);
  }, [sql, JSON.stringify(parameters)]);
  const found = useAnswer({ sql, parameters }, again);
  const used = parametersOf(text);
  const written = { ...asked, sql: text, parameters: Object.fromEntries(used.map((name) => [name, values[name] || null])) };
  const run = (event) => {
    event?.preventDefault();
    const to = address(written);
    if (to === address(asked)) setAgain(again + 1);
    else go(to);
  };
  const insert = (name) => {
    area.current.focus();
    document.execCommand("insertText", false, name);
  };
  return html`<div class="ask">
    <div class="ask-main">
      <form class="ask-form" onSubmit=${run}>
        <label>SQL<${Editor} area=${area} text=${text} onText=${setText} run=${run} stop=${found.stop} /></label>
        ${used.length > 0 && html`<${Parameters} names=${used} values=${values} onValues=${setValues} />`}
        <div class="ask-keys">
          <button class="primary" disabled=${!text.trim()}>Run</button>
          ${found.busy && html`<button type="button" onClick=${found.stop}>Stop</button>`}
          <span class="muted"><kbd>Ctrl</kbd> or <kbd>⌘</kbd> with <kbd>Enter</kbd> runs it, <kbd>Esc</kbd> stops it</span>
        </div>
      </form>
      <${Outcome} found=${found} asked=${asked} />
    </div>
    <aside class="ask-side">
      <${Saved} name=${asked.name} sql=${text} drawing=${drawing} />
      <${Schema} insert=${insert} />
    </aside>
  </div>`;
}

/** A plain box: Tab leaves it, Enter keeps the indentation. */
function Editor({ area, text, onText, run, stop }) {
  const pressed = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return run(event);
    if (event.key === "Escape") return stop();
    if (event.key !== "Enter" || event.isComposing) return;
    const { value, selectionStart } = event.target;
    const [indent] = /^[ \t]*/.exec(value.slice(value.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart));
    if (!indent) return;
    event.preventDefault();
    document.execCommand("insertText", false, `\n${indent}`);
  };
  return html`<textarea
    ref=${area}
    class="sql"
    rows="8"
    maxlength="20000"
    spellcheck="false"
    autocapitalize="off"
    placeholder="SELECT status, count(*) FROM tasks GROUP BY status"
    value=${text}
    onInput=${({ target }) => onText(target.value)}
    onKeyDown=${pressed}
  ></textarea>`;
}

function Parameters({ names, values, onValues }) {
  return html`<fieldset class="parameters">
    <legend>Parameters</legend>
    ${names.map((name) => {
      const set = ({ target }) => onValues({ ...values, [name]: target.value });
      return html`<label key=${name}>:${name}${name === "project" ? html`<${Project} value=${values[name]} onChange=${set} />` : html`<input value=${values[name] ?? ""} placeholder="null" onInput=${set} />`}</label>`;
    })}
  </fieldset>`;
}

/** One of the projects that one sees, or all. */
export function Project({ value, onChange }) {
  const [projects, setProjects] = useState([]);
  useEffect(() => {
    get("/projects", { limit: 200 }).then(({ items }) => setProjects(items), failed);
  }, []);
  return html`<select value=${value ?? ""} onChange=${onChange}>
    <option value="">All projects</option>
    ${value && !projects.some(({ id }) => id === value) && html`<option value=${value}>${value}</option>`}
    ${projects.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
  </select>`;
}

function Outcome({ found: { busy, answer, error, took }, asked }) {
  if (error) return html`<p class="problem" role="alert"><b>No answer.</b> ${wrong(error)}</p>`;
  if (!answer)
    return html`<p class="empty" role="status">
      ${busy ? "Asking …" : html`The answer will be here. Or begin with one of the <a class="link" href=${href("analyst", "views")}>views</a>, which are questions too.`}
    </p>`;
  const { rows, truncated } = answer;
  const draw = (drawing) => go(address({ ...asked, drawing }));
  const count = `${truncated ? "The first " : ""}${rows.length.toLocaleString("en")} ${rows.length === 1 ? "row" : "rows"}`;
  return html`<section class="outcome" aria-label="Answer" aria-busy=${busy}>
    <div class="outcome-head">
      <span role="status">${busy ? "Asking …" : `${count}, ${(took / 1_000).toFixed(2)} s${truncated ? "; an export has more" : ""}`}</span>
      <${Export} question=${{ sql: asked.sql, parameters: asked.parameters }} name=${asked.name} />
    </div>
    <${Drawing} answer=${answer} drawing=${asked.drawing} draw=${draw} />
    ${rows.length === 0 ? html`<p class="empty">Nothing matches.</p>` : html`<${Drawn} answer=${answer} drawing=${asked.drawing} label="Answer" />`}
    ${rows.length > 0 &&
    asked.drawing.kind !== "table" &&
    html`<details><summary>The figures</summary><${Drawn} answer=${answer} drawing=${{ kind: "table" }} label="Figures" /></details>`}
  </section>`;
}
