/** Lines or bars; who shows a chart has its figures in a table beside it. */

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { iso, onDay } from "./when.js";

// Each has a contrast of at least 3 with both papers.
const COLOURS = ["#4c6ef5", "#e8590c", "#2b9348", "#ae3ec9", "#1098ad", "#e64980", "#a67c00", "#868e96"];
const height = 260;

/** `x`: values that ascend, and `names` to stand there instead. `zoom` is told what was drawn over. */
export function Chart({ bars, label, x, series, shown, zoom }) {
  const place = useRef();
  const [at, setAt] = useState();
  useEffect(() => {
    const box = place.current;
    const fit = () => ({ width: box.clientWidth, height });
    const drew = ({ select: { left, width }, posToVal }) => width > 4 && zoom?.(posToVal(left, "x"), posToVal(left + width, "x"));
    const hooks = { setCursor: [({ cursor }) => setAt(cursor.idx ?? undefined)], setSelect: [drew] };
    const data = [x.values, ...series.map(({ values }) => values)];
    const plot = new uPlot({ ...options(bars, x, series, box), ...fit(), hooks }, data, box);
    const fitted = new ResizeObserver(() => plot.setSize(fit()));
    fitted.observe(box);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => plot.redraw(false, true);
    const theme = new MutationObserver(redraw);
    theme.observe(document.documentElement, { attributes: true });
    scheme.addEventListener("change", redraw);
    return () => {
      fitted.disconnect();
      theme.disconnect();
      scheme.removeEventListener("change", redraw);
      plot.destroy();
    };
  }, [bars, x, series]);
  return html`<figure class="chart">
    <figcaption>
      ${series.map(({ name, values }, index) => html`<span key=${name}><i style=${{ background: COLOURS[index] }}></i>${name} <b>${values[at]}</b></span>`)}
      <span class="muted">${at !== undefined && shown(at)}</span>
    </figcaption>
    <div ref=${place} role="img" aria-label="${label}. The figures follow."></div>
  </figure>`;
}

function options(bars, { values, time = false, names }, series, box) {
  const gaps = values.slice(1).map((value, index) => value - values[index]).filter(Boolean);
  const gap = gaps.length ? Math.min(...gaps) : time ? 86_400 : 1;
  const edge = bars || values.length < 2 ? gap * 0.6 : 0;
  const lines = { stroke: "#8884", width: 1 };
  const axis = { stroke: () => getComputedStyle(box).color, grid: lines, ticks: lines };
  const named = names && { splits: () => values, values: (_, at) => at.map((index) => names[index].slice(0, 14)), rotate: -40, size: 84, space: 1 };
  return {
    legend: { show: false },
    padding: [8, names ? 48 : 24, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
    cursor: { drag: { setScale: false } },
    scales: {
      x: { time, range: () => [(values[0] ?? 0) - edge, (values.at(-1) ?? 1) + edge] },
      y: { range: (_, least, most) => uPlot.rangeNum(Math.min(0, least), most || 1, 0.1, true) },
    },
    axes: [{ ...axis, ...(time && { values: clock }), ...named }, { ...axis, size: 56 }],
    series: [{}, ...series.map((_, index) => (bars ? barred(index, (gap * 0.8) / series.length, gap) : { stroke: COLOURS[index], width: 2 }))],
  };
}

/** In UTC, as the figures are. */
const clock = (_, at) =>
  at.map((seconds) => {
    const [day, time] = iso(seconds).split("T");
    return time < "00:01" ? onDay(day) : time.slice(0, at[1] - at[0] < 60 ? 8 : 5);
  });

/** Those of a group stand side by side. */
function barred(index, width, gap) {
  const x0 = { unit: 1, values: ({ data }) => data[0].map((x) => x - gap * 0.4 + index * width) };
  const paths = uPlot.paths.bars({ disp: { x0, size: { unit: 1, values: () => [width] } } });
  return { fill: COLOURS[index], width: 0, paths, points: { show: false } };
}
