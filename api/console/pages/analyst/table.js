/** The rows of an answer: sorted by a column, some at a time. */

import { html, useMemo, useState } from "../../lib/html.js";
import { isNumber, written } from "./asking.js";

const PAGE = 100; // rows

export function Table({ answer: { columns, rows }, label }) {
  const [sort, setSort] = useState({ by: -1, down: false });
  const [page, setPage] = useState(0);
  const { down } = sort;
  const by = sort.by < columns.length ? sort.by : -1; // another answer may have fewer
  const shown = useMemo(() => (by < 0 ? rows : [...rows].sort(order(by, down, isNumber(columns[by])))), [rows, by, down]);
  const pages = Math.max(1, Math.ceil(rows.length / PAGE));
  const now = Math.min(page, pages - 1);
  const turn = (index) => {
    setSort({ by: index, down: by === index && !down });
    setPage(0);
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table class="rows">
        <thead><tr>
          ${columns.map(
            (column, index) => html`<th key=${index} scope="col" class=${isNumber(column) && "number"} aria-sort=${index !== by ? undefined : down ? "descending" : "ascending"}>
              <button class="plain" title=${column.type} onClick=${() => turn(index)}>${column.name}${index === by && html`<span aria-hidden="true">${down ? "↓" : "↑"}</span>`}</button>
            </th>`,
          )}
        </tr></thead>
        <tbody>
          ${shown.slice(now * PAGE, (now + 1) * PAGE).map(
            (row, index) => html`<tr key=${index}>
              ${row.map((value, at) => html`<td key=${at} class=${isNumber(columns[at]) && "number"}>${value === null ? html`<span class="muted">null</span>` : written(value)}</td>`)}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${pages > 1 &&
    html`<nav class="pager" aria-label="Pages of ${label}">
      <button disabled=${now === 0} onClick=${() => setPage(now - 1)}>Previous</button>
      <span role="status">Rows ${now * PAGE + 1} to ${Math.min(rows.length, (now + 1) * PAGE)} of ${rows.length}</span>
      <button disabled=${now === pages - 1} onClick=${() => setPage(now + 1)}>Next</button>
    </nav>`}`;
}

/** Nothing comes last, whichever way. */
const order = (by, down, numbers) => (one, other) => {
  const [a, b] = [one[by], other[by]];
  if (a === null || b === null) return (a === null) - (b === null);
  const found = numbers ? Number(a) - Number(b) : written(a).localeCompare(written(b));
  return down ? -found : found;
};
