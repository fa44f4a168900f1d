/** How every process and server is. */

import { html, shown, table, useRead } from "./parts.js";

export default function Health() {
  const { status, services, processes, degraded } = useRead("/realtime/health/summary") ?? {};
  const parts = useRead("/realtime/health/services");
  const now = useRead("/realtime/status");
  const started = ({ node }) => shown(processes?.find(({ detail }) => detail?.node === node)?.since);
  const behind = ({ lag }) => shown(Math.max(0, ...Object.values(lag)));
  return html`
    ${table("System", now && [{ ...now, status, without: degraded?.join(", ") }], "status without version position furthest_behind epoch", { furthest_behind: behind })}
    ${table("Servers", services, "name status latency_ms since error")}
    ${table("Processes", parts, "role status host pid started parts", { pid: ({ pid }) => pid, started, parts: Parts })}
  `;
}

const Parts = ({ services, role }) => html`<details>
  <summary>${services.length} <span class="hidden">of ${role}</span> ${services.filter(({ state }) => state !== "up").map(({ name, state }) => html`${name} ${shown(state)} `)}</summary>
  ${table(`Parts of ${role}`, services, "name state since latency_ms restarts error")}
</details>`;
