/** Projects: one's own, or all for who may see them all; each opens its room. */

import { html, useEffect, useState } from "../lib/html.js";
import { all } from "../lib/rest.js";
import { href } from "../lib/route.js";
import { failed } from "../lib/toast.js";
import { RoomPage } from "./room/room.js";

export default function Projects({ parts: [project, ...rest] }) {
  return project ? html`<${RoomPage} key=${project} project=${project} parts=${rest} />` : html`<div class="page"><h1>Projects</h1><${Cards} page="projects" /></div>`;
}

/** @param {{page: string}} props where each leads to */
export function Cards({ page }) {
  const [projects, setProjects] = useState();
  useEffect(() => {
    all("/projects").then(setProjects, failed);
  }, []);
  return html`
    ${projects?.length === 0 && html`<p class="empty">You are in no project yet.</p>`}
    <ul class="cards">
      ${projects?.map(
        ({ id, name, description, status, priority }) => html`<li key=${id}>
          <a class="card" href=${href(page, id)}>
            <b>${name}</b>
            <span class="muted">${description}</span>
            <span class="tags">
              <span class="tag">${status}</span>
              ${priority !== "normal" && html`<span class="tag ${priority}">${priority}</span>`}
            </span>
          </a>
        </li>`,
      )}
    </ul>`;
}
