/** Questions of one's own: written, run, drawn, exported, kept. */

import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { go, href } from "../../lib/route.js";
import { address, read } from "./address.js";
import { parametersOf, useAnswer, wrong } from "./asking.js";
import { Drawing, Export, Project } from "./controls.js";
import { Drawn } from "./drawn.js";
import { Saved, Tables } from "./side.js";

export function Ask({ query }) {
  const asked = read(query);
  const { name, sql, parameters, drawing } = asked;
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
  const run = (event) => {
    event.preventDefault();
    const to = address({ ...asked, sql: text, parameters: Object.fromEntries(used.map((one) => [one, values[one]])) });
    if (to === address(asked)) setAgain(again + 1);
    else go(to);
  };
  const insert = (what) => {
    area.current.focus();
    document.execCommand("insertText", false, what); // so that it can be undone
  };
  /** A plain box, which Tab leaves; Enter keeps the indentation. */
  const pressed = (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) return run(event);
    const [indent] = /[ \t]*/.exec(text.slice(text.lastIndexOf("\n", event.target.selectionStart - 1) + 1));
    if (!indent) return;
    event.preventDefault();
    insert(`\n${indent}`);
  };
  return html`<div class="ask">
    <form onSubmit=${run}>
      <label>SQL<textarea ref=${area} class="sql" rows="8" maxlength="20000" spellcheck="false" placeholder="SELECT status, count(*) FROM tasks GROUP BY status" value=${text} onInput=${({ target }) => setText(target.value)} onKeyDown=${pressed}></textarea></label>
      ${used.length > 0 && html`<${Parameters} names=${used} values=${values} onValues=${setValues} />`}
      <div class="row">
        <button class="primary" disabled=${!text.trim()}>Run</button>
        <small><kbd>Ctrl</kbd> or <kbd>⌘</kbd> with <kbd>Enter</kbd></small>
      </div>
    </form>
    <${Outcome} found=${found} asked=${asked} />
    <aside><${Saved} name=${name} sql=${text} drawing=${drawing} /><${Tables} insert=${insert} /></aside>
  </div>`;
}

const Parameters = ({ names, values, onValues }) =>
  html`<div class="choices">
    ${names.map((name) => {
      const given = { value: values[name] ?? "", onInput: ({ target }) => onValues({ ...values, [name]: target.value }) };
      return html`<label key=${name}>:${name}${name === "project" ? html`<${Project} ...${given} />` : html`<input ...${given} placeholder="null" />`}</label>`;
    })}
  </div>`;

function Outcome({ found: { busy, answer, error }, asked }) {
  if (error) return html`<p class="problem" role="alert">${wrong(error)}</p>`;
  if (!answer)
    return html`<p class="empty" role="status">
      ${busy ? "Asking …" : html`The answer will be here. To begin with, open one of the <a class="link" href=${href("analyst", "views")}>views</a>: they are questions too.`}
    </p>`;
  const { rows, truncated } = answer;
  return html`<section aria-label="Answer" aria-busy=${busy}>
    <div class="row">
      <span role="status">${busy ? "Asking …" : `${truncated ? "The first " : ""}${rows.length} rows${truncated ? "; a file has more" : ""}`}</span>
      <${Export} question=${{ sql: asked.sql, parameters: asked.parameters }} name=${asked.name} />
    </div>
    <${Drawing} answer=${answer} drawing=${asked.drawing} draw=${(drawing) => go(address({ ...asked, drawing }))} />
    ${rows.length ? html`<${Drawn} answer=${answer} drawing=${asked.drawing} label="Answer" />` : html`<p class="empty">Nothing matches.</p>`}
  </section>`;
}
