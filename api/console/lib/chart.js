/** Lines or bars of columns, by uPlot; who shows one has its figures in a table beside it. */

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { styled } from "./styled.js";

await styled(import.meta.url, "../vendor/uplot.css");

// Each has a contrast of at least 3 with both papers.
const COLOURS = ["#4c6ef5", "#e8590c", "#2b9348", "#ae3ec9", "#1098ad", "#e64980", "#a67c00", "#868e96"];
const HEIGHT = 260;
const LABEL = 14; // characters of a name below a chart
const BAR = 0.8; // of the room that a group of bars has

/**
 * @param {{kind: "line" | "bars", label: string, x: {name: string, values: any[], time?: boolean, names?: boolean},
 *   series: {name: string, values: (number | null)[]}[], shown?: (x: any) => string}} given
 *   `values` of x ascend: seconds where it is `time`; where it is `names`, each has a place of its own.
 */
export function Chart({ kind, label, x, series, shown = String }) {
  const place = useRef();
  const [at, setAt] = useState();
  const scheme = useScheme();
  useEffect(() => {
    const box = place.current;
    const options = { ...optionsOf(kind, x, series, box), width: box.clientWidth, height: HEIGHT };
    options.hooks = { setCursor: [({ cursor }) => setAt(cursor.idx ?? undefined)] };
    const xs = x.names ? x.values.map((_, index) => index) : x.values;
    const plot = new uPlot(options, [xs, ...series.map(({ values }) => values)], box);
    const fitted = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT }));
    fitted.observe(box);
    return () => {
      fitted.disconnect();
      plot.destroy();
    };
  }, [kind, x, series, scheme]);
  return html`<figure class="chart">
    <figcaption>
      ${series.map(
        ({ name, values }, index) => html`<span key=${name}
          ><i style=${{ background: COLOURS[index % COLOURS.length] }}></i>${name}${at !== undefined && html` <b>${values[at] ?? "–"}</b>`}</span
        >`,
      )}
      ${at !== undefined && html`<span class="muted">${x.name} ${shown(x.values[at])}</span>`}
    </figcaption>
    <div ref=${place} role="img" aria-label=${label}></div>
  </figure>`;
}

function optionsOf(kind, x, series, box) {
  const [text, line] = ["--text-muted", "--line"].map((name) => colour(box, name));
  const step = Math.min(...x.values.slice(1).map((value, index) => (x.names ? 1 : value - x.values[index])).filter((gap) => gap > 0), x.time ? 86_400 : x.names ? 1 : Infinity);
  const gap = Number.isFinite(step) ? step : 1;
  const edge = kind === "bars" || x.names ? gap * 0.6 : 0;
  const ticks = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui" };
  const turned = x.names && x.values.length > 5;
  return {
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
    cursor: { drag: { setScale: false, x: false }, points: { show: kind === "line" } },
    scales: {
      x: { time: Boolean(x.time), range: (_, least, most) => [least - (edge || (least === most ? gap : 0)), most + (edge || (least === most ? gap : 0))] },
      y: { range: (_, least, most) => uPlot.rangeNum(Math.min(0, least ?? 0), (most ?? 1) || 1, 0.1, true) },
    },
    axes: [{ ...ticks, ...(x.names && named(x.values, turned)) }, { ...ticks, size: 56 }],
    series: [{}, ...series.map((_, index) => drawn(kind, index, series.length, gap))],
  };
}

const named = (all, turned) => ({
  splits: () => all.map((_, index) => index),
  values: (_, places) => places.map((place) => cut(String(all[place] ?? "–"))),
  space: 1,
  ...(turned && { rotate: -40, size: 84 }),
});
const cut = (name) => (name.length > LABEL ? `${name.slice(0, LABEL - 1)}…` : name);

/** Bars of a group stand side by side. */
function drawn(kind, index, count, gap) {
  const stroke = COLOURS[index % COLOURS.length];
  if (kind === "line") return { stroke, width: 2, spanGaps: true };
  const width = (gap * BAR) / count;
  const begin = (plot) => plot.data[0].map((x) => x - (gap * BAR) / 2 + index * width);
  const disp = { x0: { unit: 1, values: begin }, size: { unit: 1, values: () => [width] } };
  return { stroke, fill: stroke, width: 0, paths: uPlot.paths.bars({ disp }), points: { show: false } };
}

/** A canvas knows no custom properties. */
function colour(box, name) {
  box.style.color = `var(${name})`;
  const found = getComputedStyle(box).color;
  box.style.color = "";
  return found;
}

/** Another value whenever colours change: somebody's theme or the system's. */
function useScheme() {
  const [scheme, setScheme] = useState(0);
  useEffect(() => {
    const changed = () => setScheme((before) => before + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    const own = new MutationObserver(changed);
    own.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    system.addEventListener("change", changed);
    return () => {
      own.disconnect();
      system.removeEventListener("change", changed);
    };
  }, []);
  return scheme;
}
