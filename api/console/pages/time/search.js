/** The audit, by filters that are in the address. */

import { html, useEffect } from "../../lib/html.js";
import { useNames } from "../../lib/people.js";
import { exactly } from "../../lib/when.js";
import { EventPanel } from "./event.js";
import { Export } from "./export.js";
import { Table, Waits, audit, here, names, useGot, words } from "./parts.js";

const known = new Set(); // projects whose people are

export function Search({ query }) {
  const { event, cursor, ...filter } = Object.fromEntries(query);
  const [found, wrong] = useGot("/audit", { ...filter, cursor });
  const [projects] = useGot("/projects", { limit: 200 });
  const nameOf = useNames();
  const items = found?.items ?? [];
  useEffect(() => {
    for (const { project } of items) if (project && !known.has(project)) names(project, known.add(project)).catch(() => {});
  }, [found]);
  const title = (project) => projects?.items.find(({ id }) => id === project)?.name ?? project;
  const choice = (name, ids, label) => html`<select name=${name} value=${filter[name] ?? ""}>
    <option value="">Any</option>${[...new Set([filter[name], ...ids])].map((id) => id && html`<option key=${id} value=${id}>${label(id)}</option>`)}
  </select>`;
  const time = (name) => html`<input name=${name} type="datetime-local" value=${filter[name]?.slice(0, 16)} />`;
  const submit = (event) => {
    event.preventDefault();
    const { since, until, ...given } = Object.fromEntries(new FormData(event.target));
    location.hash = audit({ ...filter, ...given, since: since && `${since}Z`, until: until && `${until}Z` });
  };
  const rows = items.map(({ position, at, actor, type, project, ip }) => [exactly(at), nameOf(actor), html`<a class="link" href=${here({ event: position })}>${words(type)}</a>`, title(project), ip]);
  return html`
    <form class="filters" onSubmit=${submit} aria-label="Filters">
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
        ${found ? html`<${Table} label="Events" heads=${["When", "Who", "What", "Where", "From"]} rows=${rows} />` : html`<${Waits} wrong=${wrong} />`}
        ${found && !items.length && html`<p class="empty">Nothing was found here.</p>`}
        ${cursor && html`<a class="link" href=${here({ cursor: "" })}>Newest</a>`} ${found?.next && html`<a class="link" href=${here({ cursor: found.next })}>Older</a>`}
      </div>
      ${event && html`<${EventPanel} key=${event} position=${event} />`}
    </div>
  `;
}
