/** What is measured, and how it went beside the period before; what is drawn over is shown closer. */

import { useLayoutEffect, useRef } from "../../lib/html.js";
import { get } from "../../lib/rest.js";
import { go } from "../../lib/route.js";
import { styled } from "../../lib/styled.js";
import uPlot from "../../vendor/uplot.js";
import { Filters, address, chosen, html, shown, size, table, useLook, useRead } from "./parts.js";

await styled(import.meta.url, "../../vendor/uplot.css");

const HOURS = [["6", "6 hours"], ["24", "A day"], ["168", "A week"], ["720", "30 days"]];
const FIGURES = { gauge: ["avg", "max"], counter: ["per_s"], histogram: ["p50", "p95", "p99"] };
const COLOURS = ["--accent", "--warn", "--bad"];
const HEIGHT = 280;
const seconds = (at) => Date.parse(at) / 1_000;
const iso = (at) => new Date(at * 1_000).toISOString();

export default function Metrics({ query }) {
  const { series = [] } = useRead("/realtime/performance/metrics") ?? {};
  const fields = [
    ["metric", [...new Set(series.map(({ metric }) => metric))]],
    ["hours", HOURS, "Period"],
    ["role", ["api", "projector", "worker", "scheduler"]],
    ["labels", {}, "Labels, as in status=5xx"],
  ];
  const { hours = 1, metric = "formula_up", ...which } = chosen(query, fields);
  const span = () => {
    const to = Number(query.get("to") ?? Date.now() / 1_000);
    return [Number(query.get("from") ?? to - 3_600 * hours), to];
  };
  const trend = useLook(async () => {
    const [from, to] = span().map(iso);
    return get("/realtime/performance/trends", { metric, ...which, from, to });
  }, `${query}`);
  const zoom = (from, to) => go(address({ metric, ...which, from: Math.floor(from), to: Math.ceil(Math.min(to, Date.now() / 1_000)) }));
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
    ${trend && html`<${Chart} key=${trend.metric + trend.kind} trend=${trend} zoom=${zoom} />`}
    ${table(metric, trend && totals(trend), "figure now before change", {}, "Nothing was measured in this period.")}
  `;
}

function written({ metric, kind }, value) {
  if (typeof value !== "number") return "–";
  if (metric.includes("_bytes")) return size(value);
  return metric.includes("_seconds") && kind !== "counter" ? `${shown(value * 1_000)} ms` : shown(value);
}

const totals = (trend) =>
  FIGURES[trend.kind].filter(() => trend.current.total).map((figure) => ({
    figure,
    now: written(trend, trend.current.total[figure]),
    before: written(trend, trend.previous.total?.[figure]),
    change: trend.change[figure] === undefined ? "" : `${Math.round(trend.change[figure] * 100)} %`,
  }));

function Chart({ trend, zoom }) {
  const box = useRef();
  const now = useRef({}).current; // the plot, and how it is zoomed
  now.zoom = zoom;
  useLayoutEffect(() => {
    now.plot = new uPlot(drawn(trend, box.current, now), lines(trend), box.current);
    const watch = new ResizeObserver(() => now.plot.setSize({ width: box.current.clientWidth, height: HEIGHT }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      now.plot.destroy();
    };
  }, []);
  useLayoutEffect(() => now.plot.setData(lines(trend)), [trend]);
  return html`<figure class="chart" ref=${box} aria-label="${trend.metric} over time"></figure>`;
}

/** Times, the figures of the period, and the first of them in the one before. */
function lines({ kind, step_s: step, current, previous }) {
  const start = seconds(current.start);
  const count = Math.round((seconds(current.end) - start) / step);
  const line = ({ start, points }, name) => {
    const values = Array(count).fill(null);
    for (const { at, figures } of points) values[Math.round((seconds(at) - seconds(start)) / step)] = figures[name] ?? null;
    return values;
  };
  const names = FIGURES[kind];
  return [Array.from({ length: count }, (_, index) => start + index * step), ...names.map((name) => line(current, name)), line(previous, names[0])];
}

function drawn(trend, box, now) {
  const stroke = (name) => () => {
    box.style.color = `var(${name})`; // light or dark, whichever it is now
    return getComputedStyle(box).color;
  };
  const value = (_, one) => written(trend, one);
  const axis = { stroke: stroke("--text-muted"), grid: { stroke: stroke("--line") }, ticks: { stroke: stroke("--line") } };
  const setSelect = (plot) => {
    const { left, width } = plot.select;
    if (width > 4) now.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0 }, false);
  };
  const names = FIGURES[trend.kind];
  return {
    width: box.clientWidth,
    height: HEIGHT,
    cursor: { drag: { setScale: false } },
    series: [
      {},
      ...names.map((label, index) => ({ label, value, stroke: stroke(COLOURS[index]) })),
      { label: `${names[0]} before`, value, dash: [4, 4], stroke: stroke("--text-muted") },
    ],
    axes: [axis, { ...axis, size: 76, values: (_, ticks) => ticks.map((one) => written(trend, one)) }],
    hooks: { setSelect: [setSelect] },
  };
}
