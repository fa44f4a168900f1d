/** Questions of one's own: written, run, drawn, exported, kept. */

import { again, go, href, html, instead, parametersOf, question, read, useAnswer, useEffect, useRef, useState, wrong } from "./asking.js";
import { Drawn } from "./drawn.js";
import { Drawing, Export, Project, Saved, Tables } from "./side.js";

export function Ask({ query }) {
  const asked = read(query);
  const { name, sql, parameters, drawing } = asked;
  const [text, setText] = useState(sql);
  const [values, setValues] = useState(parameters);
  const area = useRef();
  useEffect(() => {
    setText(sql);
    setValues(parameters);
  }, [sql, JSON.stringify(parameters)]);
  const found = useAnswer({ sql, parameters });
  const used = parametersOf(text, (name) => values[name]);
  const run = () => {
    const to = question({ ...asked, sql: text, parameters: used });
    if (to === question(asked)) again();
    else go(to);
  };
  const insert = (what) => {
    area.current.focus();
    document.execCommand("insertText", false, what); // so that it can be undone
  };
  /** A plain box, which Tab leaves; Enter keeps the indentation. */
  const pressed = (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey) return instead(run)(event);
    const [indent] = /[ \t]*/.exec(text.slice(text.lastIndexOf("\n", event.target.selectionStart - 1) + 1));
    if (indent) instead(() => insert(`\n${indent}`))(event);
  };
  return html`<div class="question">
    <form onSubmit=${instead(run)}>
      <label>SQL<textarea ref=${area} class="sql" rows="8" maxlength="20000" spellcheck="false" placeholder="SELECT status, count(*) FROM tasks GROUP BY status" value=${text} onInput=${({ target }) => setText(target.value)} onKeyDown=${pressed}></textarea></label>
      <${Parameters} values=${used} onValues=${setValues} />
      <div class="row">
        <button class="primary" disabled=${!text.trim()}>Run</button>
        <small><kbd>Ctrl</kbd> or <kbd>⌘</kbd> with <kbd>Enter</kbd></small>
      </div>
    </form>
    <${Outcome} found=${found} asked=${asked} />
    <aside><${Saved} name=${name} sql=${text} drawing=${drawing} /><${Tables} insert=${insert} /></aside>
  </div>`;
}

function Parameters({ values, onValues }) {
  const one = ([name, value]) => {
    const given = { value: value ?? "", onInput: ({ target }) => onValues({ ...values, [name]: target.value }) };
    return html`<label key=${name}>:${name}${name === "project" ? html`<${Project} ...${given} />` : html`<input ...${given} placeholder="null" />`}</label>`;
  };
  const all = Object.entries(values);
  return all.length > 0 && html`<div class="choices">${all.map(one)}</div>`;
}

function Outcome({ found: { busy, value: answer, error }, asked }) {
  if (error) return html`<p class="problem" role="alert">${wrong(error)}</p>`;
  if (!answer)
    return html`<p class="empty" role="status">
      ${busy ? "Asking …" : html`The answer will be here. To begin with, open one of the <a class="link" href=${href("analyst", "views")}>views</a>: they are questions too.`}
    </p>`;
  const { rows, truncated } = answer;
  const { sql, parameters, name, drawing } = asked;
  return html`<section aria-label="Answer" aria-busy=${busy}>
    <div class="row">
      <span role="status">${busy ? "Asking …" : `${truncated ? "The first " : ""}${rows.length} rows${truncated ? "; a file has more" : ""}`}</span>
      <${Export} asked=${{ sql, parameters }} name=${name} />
    </div>
    <${Drawing} answer=${answer} drawing=${drawing} draw=${(drawing) => go(question({ ...asked, drawing }))} />
    ${rows.length ? html`<${Drawn} answer=${answer} drawing=${drawing} label="Answer" />` : html`<p class="empty">Nothing matches.</p>`}
  </section>`;
}
