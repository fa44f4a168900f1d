/** How fast the machine of this installation is. */

import { bar, can, html, link, order, shown, table, useList, useRead } from "./parts.js";

const ROOT = "/realtime/benchmark";
const RUN = {
  text: "On servers of its own beside those that serve: for up to ten minutes it takes cores from those who work.",
  fields: [["suite", ["guard", "api", "append", "projections", "jobs", "realtime", "files", "claims"]]],
};

export default function Benchmarks({ query }) {
  const runs = useList(`${ROOT}/results`);
  const run = query.get("run");
  const as = {
    suite: ({ id, suite, state }) => (state === "done" ? link({ run: id }, suite) : suite),
    state: ({ suite, state, progress }) => html`${shown(state)} ${state === "running" && bar(suite, progress)}`,
  };
  return html`
    ${run && html`<${Result} path="${ROOT}/results/${run}" />`}
    ${table("Benchmarks", runs, "suite state made_at finished_at error", as, "Nothing was measured yet.", can("benchmark.run") && order("Run", "a benchmark", ROOT, RUN))}
  `;
}

function Result({ path }) {
  const found = useRead(path);
  return table(found?.suite, found?.rows, "name value unit low high against ratio target ok");
}
