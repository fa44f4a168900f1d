/** Projects: one's own, or all for who may see them all. */

import { html, useEffect, useState } from "../lib/html.js";
import { all } from "../lib/rest.js";
import { href } from "../lib/route.js";
import { failed } from "../lib/toast.js";

export default function Projects() {
  const [projects, setProjects] = useState();
  useEffect(() => {
    all("/projects").then(setProjects, failed);
  }, []);
  return html`<div class="page">
    <h1>Projects</h1>
    ${projects?.length === 0 && html`<p class="empty">You are in no project yet.</p>`}
    <ul class="cards">
      ${projects?.map(
        ({ id, name, description, status, priority }) => html`<li key=${id}>
          <a class="card" href=${href("projects", id)}>
            <b>${name}</b>
            <span class="muted">${description}</span>
            <span class="tags"><span class="tag">${status}</span><span class="tag">${priority}</span></span>
          </a>
        </li>`,
      )}
    </ul>
  </div>`;
}
