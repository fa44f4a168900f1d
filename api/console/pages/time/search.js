/** The audit, by filters that are in the address. */

import { Select, Waits, exactly, go, here, html, instead, membersOf, useEffect, useGot, useNames } from "../../lib/page.js";
import { Table } from "../../lib/table.js";
import { EventPanel } from "./event.js";
import { Export } from "./proof.js";
import { audit, words } from "./words.js";

const known = new Set(); // projects whose people are

export function Search({ query }) {
  const { event, cursor, ...filter } = Object.fromEntries(query);
  const { value: found, error } = useGot("/audit", { ...filter, cursor });
  const { value: projects } = useGot("/projects", { limit: 200 });
  const nameOf = useNames();
  const items = found?.items ?? [];
  useEffect(() => {
    for (const { project } of items) {
      if (!project || known.has(project)) continue;
      known.add(project);
      membersOf(project).catch(() => {});
    }
  }, [found]);
  const title = (project) => projects?.items.find(({ id }) => id === project)?.name ?? project;
  const choice = (name, ids, label) => {
    const all = [...new Set([filter[name], ...ids])].filter(Boolean);
    return html`<${Select} name=${name} value=${filter[name] ?? ""} options=${[["", "Any"], ...all.map((id) => [id, label(id)])]} />`;
  };
  const time = (name) => html`<input name=${name} type="datetime-local" value=${filter[name]?.slice(0, 16)} />`;
  const search = (form) => {
    const { since, until, ...given } = Object.fromEntries(new FormData(form));
    go(audit({ ...filter, ...given, since: since && `${since}Z`, until: until && `${until}Z` }));
  };
  const rows = items.map(({ position, at, actor, type, project, ip }) => [exactly(at), nameOf(actor), html`<a class="link" href=${here({ event: position })}>${words(type)}</a>`, title(project), ip]);
  return html`
    <form class="filters" onSubmit=${instead(search)} aria-label="Filters">
      <label>Words<input name="search" value=${filter.search} maxlength="200" /></label>
      <label>Who${choice("actor", items.map(({ actor }) => actor), nameOf)}</label>
      <label>Project${choice("project", projects?.items.map(({ id }) => id) ?? [], title)}</label>
      <label>Type<input name="type" value=${filter.type} maxlength="200" placeholder="task.created.v1" /></label>
      <label>Since (UTC)${time("since")}</label><label>Until (UTC)${time("until")}</label>
      <button class="primary">Search</button><a class="link" href="#/time/audit">All${filter.subject && `, not ${filter.subject} alone`}</a>
    </form>
    <${Export} filter=${filter} />
    <div class="found">
      <div>
        ${found ? html`<${Table} label="Events" heads=${["When", "Who", "What", "Where", "From"]} rows=${rows} keys=${items.map(({ position }) => position)} />` : html`<${Waits} error=${error} />`}
        ${found && !items.length && html`<p class="empty">Nothing was found here.</p>`}
        ${cursor && html`<a class="link" href=${here({ cursor: "" })}>Newest</a>`} ${found?.next && html`<a class="link" href=${here({ cursor: found.next })}>Older</a>`}
      </div>
      ${event && html`<${EventPanel} key=${event} position=${event} />`}
    </div>
  `;
}
