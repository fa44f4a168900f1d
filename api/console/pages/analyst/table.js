/** The rows of an answer, sorted by a column. */

import { html, useMemo, useState } from "../../lib/page.js";
import { Table } from "../../lib/table.js";
import { isNumber, written } from "./asking.js";

/** `most`: figures are shaded, that one the darkest. */
export function Answer({ answer: { columns, rows }, label, most }) {
  const [{ by, down }, setSort] = useState({});
  const sorted = useMemo(() => (columns[by] ? [...rows].sort(order(by, down, isNumber(columns[by]))) : rows), [rows, by, down]);
  const kind = (at) => isNumber(columns[at]) && "number";
  const headed = (at) => ({ class: kind(at), "aria-sort": at === by ? (down ? "descending" : "ascending") : undefined });
  const celled = (at, row) => ({ class: kind(at), style: most && kind(at) && shade(sorted[row][at] / most) });
  const heads = columns.map(
    ({ name, type }, at) => html`<button class="plain" title=${type} onClick=${() => setSort({ by: at, down: by === at && !down })}>${name}${at === by && html`<span aria-hidden="true">${down ? "↓" : "↑"}</span>`}</button>`,
  );
  return html`<div class="rows"><${Table} label=${label} class=${most && "heat"} heads=${heads} rows=${sorted.map((row) => row.map(written))} headed=${headed} celled=${celled} /></div>`;
}

const shade = (part) => ({ background: part > 0 ? `color-mix(in srgb, var(--accent-fill) ${8 + 47 * part}%, transparent)` : "" });

/** Nothing comes last, whichever way. */
const order = (by, down, numbers) => (one, other) => {
  const [a, b] = [one[by], other[by]];
  if (a === null || b === null) return (a === null) - (b === null);
  return (numbers ? a - b : written(a).localeCompare(written(b))) * (down ? -1 : 1);
};
