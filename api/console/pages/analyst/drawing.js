/** How an answer is drawn: the kind, and which columns. */

import { html } from "../../lib/html.js";
import { isNumber } from "./asking.js";
import { complete } from "./drawn.js";

const KINDS = { table: "Table", line: "Lines", bars: "Bars", heat: "Heat map" };

export function Drawing({ answer, drawing, draw }) {
  const { columns } = answer;
  const { kind, x, y } = complete(answer, drawing);
  const all = columns.map(({ name }) => name);
  const numbers = columns.filter(isNumber).map(({ name }) => name);
  const turn = (name) => draw({ kind, x, y: y.includes(name) ? y.filter((one) => one !== name) : [...y, name].slice(-8) });
  return html`<div class="drawing">
    <fieldset class="kinds">
      <legend class="hidden">Draw as</legend>
      ${Object.entries(KINDS).map(([name, title]) => html`<label key=${name}><input type="radio" name="kind" checked=${name === kind} onChange=${() => draw({ kind: name, x: drawing.x, y: [] })} />${title}</label>`)}
    </fieldset>
    ${kind !== "table" && html`<${Choice} label=${kind === "heat" ? "Columns" : "Along"} names=${all} value=${x} onChange=${(name) => draw({ kind, x: name, y })} />`}
    ${kind === "heat" &&
    html`<${Choice} label="Rows" names=${all} value=${y[0]} onChange=${(name) => draw({ kind, x, y: [name, y[1]] })} />
      <${Choice} label="Figure" names=${numbers} value=${y[1]} onChange=${(name) => draw({ kind, x, y: [y[0], name] })} />`}
    ${["line", "bars"].includes(kind) &&
    html`<fieldset class="ys">
      <legend>Drawn</legend>
      ${numbers.filter((name) => name !== x).map((name) => html`<label key=${name}><input type="checkbox" checked=${y.includes(name)} onChange=${() => turn(name)} />${name}</label>`)}
    </fieldset>`}
  </div>`;
}

const Choice = ({ label, names, value, onChange }) =>
  html`<label>${label}<select value=${value} onChange=${({ target }) => onChange(target.value)}>${names.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select></label>`;
