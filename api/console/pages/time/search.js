/** The audit, by filters that are in the address. */

import { html, useEffect, useState } from "../../lib/html.js";
import { useNames } from "../../lib/people.js";
import { all, get } from "../../lib/rest.js";
import { failed } from "../../lib/toast.js";
import { exactly } from "../../lib/when.js";
import { EventPanel, words } from "./event.js";
import { Export } from "./export.js";
import { names } from "./machine.js";
import { audit, here } from "./where.js";

const known = new Set(); // projects whose people are

export function Search({ query }) {
  const { event, cursor, ...filter } = Object.fromEntries(query);
  const [{ items = [], next }, setFound] = useState({});
  const [projects, setProjects] = useState([]);
  const nameOf = useNames();
  useEffect(() => {
    all("/projects").then(setProjects, failed);
  }, []);
  const asked = JSON.stringify({ ...filter, cursor });
  useEffect(() => {
    get("/audit", JSON.parse(asked)).then(setFound, failed);
  }, [asked]);
  useEffect(() => {
    for (const { project } of items) if (project && !known.has(project)) names(project, known.add(project)).catch(() => {});
  }, [items]);
  const title = (project) => projects.find(({ id }) => id === project)?.name;
  const choice = (name, ids, label) => html`<select name=${name} value=${filter[name] ?? ""}>
    <option value="">Any</option>${[...new Set([filter[name], ...ids])].map((id) => id && html`<option key=${id} value=${id}>${label(id)}</option>`)}
  </select>`;
  const time = (name) => html`<input name=${name} type="datetime-local" value=${filter[name]?.slice(0, 16)} />`;
  const submit = (event) => {
    event.preventDefault();
    const { since, until, ...given } = Object.fromEntries(new FormData(event.target));
    location.hash = audit({ ...filter, ...given, since: since && `${since}Z`, until: until && `${until}Z` });
  };
  return html`
    <form class="filters" key=${asked} onSubmit=${submit} aria-label="Filters">
      <label>Words<input name="search" value=${filter.search} maxlength="200" /></label>
      <label>Who${choice("actor", items.map(({ actor }) => actor), nameOf)}</label>
      <label>Project${choice("project", projects.map(({ id }) => id), title)}</label>
      <label>Type<input name="type" value=${filter.type} maxlength="200" placeholder="task.created.v1" /></label>
      <label>Since (UTC)${time("since")}</label>
      <label>Until (UTC)${time("until")}</label>
      <button class="primary">Search</button><a class="link" href="#/time/audit">All${filter.subject && `, not ${filter.subject} alone`}</a>
    </form>
    <${Export} filter=${filter} />
    <div class="found">
      <div class="scroll" tabindex="0" role="group" aria-label="Events">
        <table>
          <thead><tr>${["When", "Who", "What", "Where", "From"].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
          <tbody>${items.map(({ position, at, actor, type, project, ip }) => html`<tr key=${position}>
            <td>${exactly(at)}</td><td>${nameOf(actor)}</td><td><a class="link" href=${here({ event: position })}>${words(type)}</a></td><td>${title(project)}</td><td>${ip}</td>
          </tr>`)}</tbody>
        </table>
        <p role="status">${items.length ? "" : "Nothing was found here."}</p>
        ${cursor && html`<a class="link" href=${here({ cursor: "" })}>Newest</a>`} ${next && html`<a class="link" href=${here({ cursor: next })}>Older</a>`}
      </div>
      ${event && html`<${EventPanel} key=${event} position=${event} />`}
    </div>
  `;
}
