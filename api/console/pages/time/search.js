/** The audit, by filters that are in the address. */

import { EventPanel } from "./event.js";
import { Export } from "./proof.js";
import { Filters, Table, Waits, audit, exactly, here, html, membersOf, useAll, useEffect, useGot, useNames, words } from "./words.js";

const TIME = { type: "datetime-local" };
const known = new Set(); // projects whose people are

const utc = (at) => at && `${at.slice(0, 16)}Z`;

export function Search({ query }) {
  const { event, cursor, ...filter } = Object.fromEntries(query);
  const asked = { ...filter, since: utc(filter.since), until: utc(filter.until) };
  const { value: found, error } = useGot("/audit", { ...asked, cursor });
  const titles = new Map(useAll("/projects")?.map(({ id, name }) => [id, name]));
  const nameOf = useNames();
  const items = found?.items ?? [];
  useEffect(() => {
    for (const { project } of items) {
      if (!project || known.has(project)) continue;
      known.add(project);
      membersOf(project).catch(() => {});
    }
  }, [found]);
  const people = new Set([filter.actor, ...items.map(({ actor }) => actor)].filter(Boolean));
  const fields = [
    ["search", { maxlength: 200 }, "Words"],
    ["actor", [...people].map((id) => [id, nameOf(id)]), "Who"],
    ["project", [...titles]],
    ["type", { maxlength: 200, placeholder: "task.created.v1" }],
    ["subject", { maxlength: 36, placeholder: "Id" }, "Of"],
    ["since", TIME, "Since (UTC)"],
    ["until", TIME, "Until (UTC)"],
  ];
  const row = ({ position, at, actor, type, project, ip }) => [
    exactly(at),
    nameOf(actor),
    html`<a class="link" href=${here({ event: position })}>${words(type)}</a>`,
    titles.get(project) ?? project,
    ip,
  ];
  return html`
    <${Filters} query=${query} fields=${fields} />
    <${Export} filter=${asked} />
    <div class="found">
      <div>
        ${found ? html`<${Table} label="Events" heads=${["When", "Who", "What", "Where", "From"]} rows=${items.map(row)} keys=${items.map(({ position }) => position)} />` : html`<${Waits} error=${error} />`}
        ${found && !items.length && html`<p class="empty">Nothing was found here. <a class="link" href=${audit()}>All events</a></p>`}
        ${cursor && html`<a class="link" href=${here({ cursor: "" })}>Newest</a>`} ${found?.next && html`<a class="link" href=${here({ cursor: found.next })}>Older</a>`}
      </div>
      ${event && html`<${EventPanel} key=${event} position=${event} />`}
    </div>
  `;
}
