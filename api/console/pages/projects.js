/** Projects: one's own, or all for who may see them all; each opens its room. */

import { href, html, useList } from "../lib/page.js";
import { RoomPage } from "./room/room.js";

export default ({ parts: [project, ...rest] }) =>
  project ? html`<${RoomPage} key=${project} project=${project} parts=${rest} />` : html`<div class="page"><h1>Projects</h1><${Cards} page="projects" /></div>`;

/** `page`: where each leads to. */
export function Cards({ page }) {
  const { rows, more } = useList("/projects");
  return html`
    ${rows?.length === 0 && html`<p class="empty">You are in no project yet.</p>`}
    <ul class="cards">
      ${rows?.map(
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
    </ul>${more}`;
}
