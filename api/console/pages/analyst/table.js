/** The rows of an answer, sorted by a column. */

import { html, useMemo, useState } from "../../lib/html.js";
import { isNumber, written } from "./asking.js";

/** `most`: figures are shaded, that one the darkest. */
export function Table({ answer: { columns, rows }, label, most }) {
  const [{ by, down }, setSort] = useState({});
  const sorted = useMemo(() => (columns[by] ? [...rows].sort(order(by, down, isNumber(columns[by]))) : rows), [rows, by, down]);
  const kind = (at) => isNumber(columns[at]) && "number";
  return html`<div class="scroll rows" tabindex="0" role="region" aria-label=${label}>
    <table class=${most && "heat"}>
      <thead><tr>
        ${columns.map(
          ({ name, type }, at) => html`<th key=${at} class=${kind(at)} aria-sort=${at === by ? (down ? "descending" : "ascending") : undefined}>
            <button class="plain" title=${type} onClick=${() => setSort({ by: at, down: by === at && !down })}>${name}${at === by && html`<span aria-hidden="true">${down ? "↓" : "↑"}</span>`}</button>
          </th>`,
        )}
      </tr></thead>
      <tbody>
        ${sorted.map((row, index) => html`<tr key=${index}>${row.map((value, at) => html`<td key=${at} class=${kind(at)} style=${most && kind(at) && shade(value / most)}>${written(value)}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

const shade = (part) => ({ background: part > 0 ? `color-mix(in srgb, var(--accent-fill) ${8 + 47 * part}%, transparent)` : "" });

/** Nothing comes last, whichever way. */
const order = (by, down, numbers) => (one, other) => {
  const [a, b] = [one[by], other[by]];
  if (a === null || b === null) return (a === null) - (b === null);
  return (numbers ? a - b : written(a).localeCompare(written(b))) * (down ? -1 : 1);
};
