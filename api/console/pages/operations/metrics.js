/** How what is measured went, beside the period before. */

import { Chart } from "../../lib/chart.js";
import { EVERY, Filters, chosen, get, go, html, iso, tab, table, useLook, useMemo, useRead } from "./parts.js";

const HOURS = [["6", "6 hours"], ["24", "A day"], ["168", "A week"], ["720", "30 days"]];
const FIGURES = { gauge: ["avg", "max"], counter: ["per_s"], histogram: ["p50", "p95", "p99"] };
const seconds = (at) => Date.parse(at) / 1_000;

export default function Metrics({ query }) {
  const { series = [] } = useRead("/realtime/performance/metrics") ?? {};
  const fields = [
    ["metric", [...new Set(series.map(({ metric }) => metric))]],
    ["hours", HOURS, "Period"],
    ["role", ["api", "projector", "worker", "scheduler"]],
    ["labels", {}, "Labels, as in status=5xx"],
  ];
  const { hours = 1, metric = "formula_http_seconds", ...which } = chosen(query, fields);
  const span = () => {
    const to = Number(query.get("to") ?? Date.now() / 1_000);
    return [Number(query.get("from") ?? to - 3_600 * hours), to];
  };
  const trend = useLook(async () => {
    const [from, to] = span().map(iso);
    return get("/realtime/performance/trends", { metric, ...which, from, to });
  }, `${query}`, { every: EVERY });
  const went = useMemo(() => trend && drawn(trend), [JSON.stringify(trend)]); // else one may be drawing over it
  const zoom = (from, to) => go(tab({ metric, ...which, from: Math.floor(from), to: Math.ceil(Math.min(to, Date.now() / 1_000)) }));
  const by = (label, start, end) => {
    const click = () => {
      const [from, to] = span();
      zoom(from + (to - from) * start, from + (to - from) * end);
    };
    return html`<button onClick=${click}>${label}</button>`;
  };
  return html`
    <${Filters} query=${query} fields=${fields} />
    <div class="tags" role="group" aria-label="Zoom">
      ${by("Closer", 0.25, 0.75)} ${by("Wider", -0.5, 1.5)} ${by("Earlier", -0.5, 0.5)} ${by("Later", 0.5, 1.5)}
    </div>
    ${trend && html`<${Chart} label="${metric} over time" ...${went} zoom=${zoom} />`}
    ${table(trend ? `${metric}, ${unit(trend)[1]}` : metric, trend && totals(trend), "name now before change", {}, "Nothing was measured in this period.")}
  `;
}

/** A factor for figures, and what they are in then. */
const unit = ({ metric, kind }) => (metric.includes("_bytes") ? [2 ** -20, "MiB"] : metric.includes("_seconds") && kind !== "counter" ? [1_000, "ms"] : [1, ""]);
const figure = (trend, value) => (typeof value === "number" ? Number((value * unit(trend)[0]).toPrecision(4)) : null);

const totals = (trend) =>
  FIGURES[trend.kind].filter(() => trend.current.total).map((name) => ({
    name,
    now: figure(trend, trend.current.total[name]),
    before: figure(trend, trend.previous.total?.[name]),
    change: trend.change[name] === undefined ? "" : `${Math.round(trend.change[name] * 100)} %`,
  }));

/** The figures, and the first of them in the period before. */
function drawn(trend) {
  const { kind, step_s: step, current, previous } = trend;
  const start = seconds(current.start);
  const count = Math.round((seconds(current.end) - start) / step);
  const line = ({ start, points }, key, name = key) => {
    const values = Array(count).fill(null);
    for (const { at, figures } of points) values[Math.round((seconds(at) - seconds(start)) / step)] = figure(trend, figures[key]);
    return { name, values };
  };
  const names = FIGURES[kind];
  const values = Array.from({ length: count }, (_, index) => start + index * step);
  const shown = (index) => `${iso(values[index]).slice(0, 19).replace("T", " ")} UTC`;
  return { shown, x: { values, time: true }, series: [...names.map((name) => line(current, name)), line(previous, names[0], `${names[0]} before`)] };
}
