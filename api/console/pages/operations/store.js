/** The event log: how fast it grows, and of what. */

import { html, shown, table, useRead } from "./parts.js";

const count = ({ rows, exact }) => html`${!exact && "about "}${shown(rows)}`;

export default function EventLog() {
  const log = useRead("/store/stats");
  return html`
    ${table("The log", log && [log], "head last_append events motion", { events: (one) => count(one.events), motion: (one) => count(one.motion) })}
    ${table("Rates", log?.rates, "window_s positions per_s")}
    ${table("Sizes", log?.sizes, "name bytes")}
    ${table("Kinds of events", log?.tags, "tag events")}
    ${table("Longest streams", log?.longest, "stream events")}
  `;
}
