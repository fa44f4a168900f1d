/** An answer as a table, lines, bars or a heat map. */

import { Chart } from "../../lib/chart.js";
import { html, useMemo } from "../../lib/html.js";
import { isNumber, isTime, written } from "./asking.js";
import { Table } from "./table.js";

const DRAWN = 3; // columns, if nobody says which

/** How an answer is drawn, with what was not chosen, or is not there. */
export function complete({ columns }, { kind = "table", x = "", y = [] }) {
  const has = (name) => columns.some((one) => one.name === name);
  const along = has(x) ? x : (columns.find(isTime) ?? columns.find((one) => !isNumber(one)) ?? columns[0])?.name;
  const numbers = columns.filter((one) => isNumber(one) && one.name !== along).map(({ name }) => name);
  if (kind === "heat") {
    const down = has(y[0]) ? y[0] : columns.find(({ name }) => name !== along && name !== numbers[0])?.name;
    return { kind, x: along, y: [down, has(y[1]) ? y[1] : numbers.find((name) => name !== down)] };
  }
  const chosen = y.filter((name) => numbers.includes(name));
  return { kind, x: along, y: chosen.length ? chosen : numbers.slice(0, DRAWN) };
}

/** @param {{answer: any, drawing: {kind: string, x: string, y: string[]}, label: string}} given */
export function Drawn({ answer, drawing, label }) {
  const { kind, x, y } = complete(answer, drawing);
  if (kind === "table") return html`<${Table} answer=${answer} label=${label} />`;
  if (kind === "heat") return html`<${Heat} answer=${answer} x=${x} y=${y} label=${label} />`;
  if (!y.length) return html`<p class="empty">There is no column of numbers to draw.</p>`;
  return html`<${Plot} answer=${answer} kind=${kind} x=${x} y=${y} label=${label} />`;
}

function Plot({ answer: { columns, rows }, kind, x, y, label }) {
  const { along, series, names } = useMemo(() => {
    const at = columns.findIndex(({ name }) => name === x);
    const time = isTime(columns[at]);
    const names = !time && !isNumber(columns[at]);
    const place = (value) => (time ? seconds(value) : Number(value));
    const kept = names ? rows : rows.filter((row) => row[at] !== null).sort((a, b) => place(a[at]) - place(b[at]));
    const column = (name) => columns.findIndex((one) => one.name === name);
    const numbers = (index) => kept.map((row) => (row[index] === null ? null : Number(row[index])));
    const series = y.map((name) => ({ name, values: numbers(column(name)) }));
    return { names, series, along: { name: x, time, names, values: kept.map((row) => (names ? row[at] : place(row[at]))) } };
  }, [columns, rows, x, y.join()]);
  const shown = (value) => written(along.time ? new Date(value * 1_000).toISOString().replace("T00:00:00.000Z", "") : value);
  const about = `${label}: ${kind === "bars" ? "bars" : "lines"} of ${y.join(", ")} by ${x}, ${rows.length} ${names ? "names" : "points"}. The table has the figures.`;
  return html`<${Chart} kind=${kind} label=${about} x=${along} series=${series} shown=${shown} />`;
}

/** A table of its own: darker is more, and each figure is there to be read. */
function Heat({ answer: { columns, rows }, x, y: [down, value], label }) {
  const [across, downs, cell] = [x, down, value].map((name) => columns.findIndex((one) => one.name === name));
  if (Math.min(across, downs, cell) < 0) return html`<p class="empty">A heat map needs two columns and one of numbers.</p>`;
  const cells = new Map();
  for (const row of rows) {
    const key = JSON.stringify([row[downs], row[across]]);
    cells.set(key, (cells.get(key) ?? 0) + Number(row[cell]));
  }
  const most = Math.max(...cells.values(), 0) || 1;
  const [heads, sides] = [across, downs].map((index) => sorted(new Set(rows.map((row) => row[index]))));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
    <table class="heat">
      <caption class="hidden">${value} by ${down} and ${x}</caption>
      <thead><tr><th scope="col">${down}</th>${heads.map((head) => html`<th key=${head} scope="col">${written(head)}</th>`)}</tr></thead>
      <tbody>
        ${sides.map(
          (side) => html`<tr key=${side}>
            <th scope="row">${written(side)}</th>
            ${heads.map((head) => {
              const found = cells.get(JSON.stringify([side, head]));
              return html`<td key=${head} style=${{ background: shade(found, most) }}>${found === undefined ? "" : round(found)}</td>`;
            })}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** What has no zone is UTC. */
const seconds = (at) => Date.parse(/T[^+-]*\d$/.test(at) ? `${at}Z` : at) / 1_000;
const shade = (value, most) => (value > 0 ? `color-mix(in srgb, var(--accent-fill) ${8 + Math.round((value / most) * 47)}%, transparent)` : "");
const round = (value) => Math.round(value * 10) / 10;
const sorted = (all) => [...all].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : written(a).localeCompare(written(b))));
