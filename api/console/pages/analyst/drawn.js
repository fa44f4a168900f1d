/** An answer as a table, lines, bars or a heat map. */

import { Chart } from "../../lib/chart.js";
import { Table, html, isNumber, isTime, useMemo, useState, written } from "./asking.js";

/** With what was not chosen, or is not among the columns. */
export function complete({ columns }, { kind, x, y }) {
  const along = columns.find(({ name }) => name === x) ?? columns.find(isTime) ?? columns.find((one) => !isNumber(one)) ?? columns[0];
  const numbers = columns.filter((one) => isNumber(one) && one !== along).map(({ name }) => name);
  const chosen = y.filter((name) => numbers.includes(name));
  return { kind, x: along.name, numbers, y: chosen.length ? chosen : numbers.slice(0, 3) };
}

export function Drawn({ answer, drawing, label }) {
  const { kind, x, y } = complete(answer, drawing);
  if (kind === "table") return html`<${Answer} answer=${answer} label=${label} />`;
  if (!y.length) return html`<p class="empty">There is no column of numbers to draw.</p>`;
  const Shown = kind === "heat" ? Heat : Plot;
  return html`<${Shown} answer=${answer} bars=${kind === "bars"} x=${x} y=${y} label="${label}: ${y.join(", ")} by ${x}" />`;
}

function Plot({ answer, bars, x, y, label }) {
  const [along, series, shown] = useMemo(() => {
    const { columns, rows } = answer;
    const at = place(columns, x);
    const time = isTime(columns[at]);
    const named = !time && !isNumber(columns[at]);
    const value = (row) => (time ? seconds(row[at]) : Number(row[at]));
    const kept = named ? rows : rows.filter((row) => row[at] !== null).sort((one, other) => value(one) - value(other));
    const names = kept.map((row) => written(row[at]));
    const figures = (column) => kept.map((row) => (row[column] === null ? null : Number(row[column])));
    const values = kept.map(named ? (_, index) => index : value);
    return [{ time, values, names: named && names }, y.map((name) => ({ name, values: figures(place(columns, name)) })), (index) => names[index]];
  }, [answer, x, y.join()]);
  return html`<${Chart} bars=${bars} label=${label} x=${along} series=${series} shown=${shown} />
    <details><summary>The figures</summary><${Answer} answer=${answer} label="${label}: the figures" /></details>`;
}

const place = (columns, wanted) => columns.findIndex(({ name }) => name === wanted);

/** What has no zone is UTC. */
const seconds = (at) => Date.parse(/T[^+-]*\d$/.test(at) ? `${at}Z` : at) / 1_000;

/** `x` goes across, the first other column down; each figure is there to be read. */
function Heat({ answer, x, y: [figure], label }) {
  const [turned, most] = useMemo(() => {
    const { columns, rows } = answer;
    const [across, cell] = [place(columns, x), place(columns, figure)];
    const down = columns.findIndex((_, at) => at !== across && at !== cell);
    const heads = [...new Set(rows.map((row) => row[across]))].sort(isNumber(columns[across]) ? (a, b) => a - b : undefined);
    const lines = new Map(rows.map((row) => [row[down], heads.map(() => null)]));
    for (const row of rows) lines.get(row[down])[heads.indexOf(row[across])] = Number(row[cell]);
    const named = heads.map((head) => ({ ...columns[cell], name: written(head) }));
    return [{ columns: [columns[down] ?? { name: "", type: "" }, ...named], rows: [...lines].map(([side, line]) => [side ?? "", ...line]) }, Math.max(1, ...rows.map((row) => row[cell]))];
  }, [answer, x, figure]);
  return html`<${Answer} answer=${turned} most=${most} label=${label} />`;
}

/** `most`: figures are shaded, that one the darkest. */
function Answer({ answer: { columns, rows }, label, most }) {
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
