/** Alerts and silences. */

import { Filters, act, can, chosen, html, link, order, post, shown, table, useList, useRead, why } from "./parts.js";

const ROOT = "/realtime/alerts";
const SEVERITIES = ["critical", "warning"];
const FIELDS = [["state", ["firing", "pending", "recovering", "resolved"]], ["severity", SEVERITIES]];
const HOURS = [["1", "An hour"], ["4", "Four hours"], ["24", "A day"], ["168", "A week"]];
const NOTE = { text: "You look after it: nobody else is mailed until it is resolved.", fields: [["note"]] };
const QUIET = why("Nobody is mailed meanwhile; alerts fire and resolve all the same.", ["hours", HOURS, "For"], ["severity", [["", "Both"], ...SEVERITIES]]);

const of = (rule) => `${ROOT}/${encodeURIComponent(rule)}`;

const silence = (about, rule) =>
  act("Silence", about, ({ hours, ...given }) => post(`${ROOT}/silences`, { ...given, rule, until: new Date(Date.now() + hours * 3_600_000) }), QUIET);

export default function Alerts({ query }) {
  const filter = chosen(query, FIELDS);
  const chosenRule = query.get("rule");
  const alerts = useList(ROOT, filter);
  alerts.rows?.sort((a, b) => a.state.localeCompare(b.state)); // firing first
  const silences = useList(`${ROOT}/silences`);
  const manages = can("alerts.manage");
  const as = {
    rule: ({ rule, about }) => html`${link({ ...filter, rule }, rule)}<br /><small>${about}</small>`,
    severity: (one) => shown(one.severity ?? one.pending),
    value: (one) => html`${shown(one.value)} of ${shown(one.threshold)} ${one.unit}`,
    actions: manages && (({ rule, state, acknowledged_at }) => html`
      ${["firing", "recovering"].includes(state) && !acknowledged_at && order("Acknowledge", rule, of(rule), NOTE)}
      ${silence(rule, rule)}`),
  };
  const quiet = {
    rule: ({ rule }) => rule || "All alerts",
    actions: manages && (({ id, rule }) => act("End", `the silence of ${rule || "all alerts"}`, `DELETE ${ROOT}/silences/${id}`)),
  };
  return html`
    <${Filters} query=${query} fields=${FIELDS} />
    ${table("Alerts", alerts, "rule state severity value since acknowledged_by note actions", as, "Nothing has come near a threshold. What does will be here.")}
    ${chosenRule && html`<${History} rule=${chosenRule} />`}
    ${table("Silences", silences, "rule severity reason placed_by until actions", quiet, "Everybody is told of everything.", manages && silence("all alerts"))}
  `;
}

const History = ({ rule }) => table(`What happened to ${rule}`, useRead(of(rule))?.history.items, "at event severity value by note");
