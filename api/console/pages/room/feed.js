/** What happened in the project, newest first. */

import { STATUSES } from "./board.js";
import { Ago, Avatar, html, useHere, useNames, useStore } from "./heard.js";

const listed = (detail) => Object.keys(detail).join(", ") || "something";

/** By verb, of its detail and the thing's title. */
const SENTENCES = {
  "task.created": ({ title }) => `added “${title}”`,
  "task.changed": (detail, title) => `changed ${listed(detail)} of “${title}”`,
  "task.status_changed": ({ status }, title) => `moved “${title}” to ${STATUSES[status] ?? status}`,
  "task.assigned": ({ assignee }, title, nameOf) => `gave “${title}” to ${assignee ? nameOf(assignee) : "nobody"}`,
  "task.comment_added": (_, title) => `commented on “${title}”`,
  "task.comment_edited": (_, title) => `edited a comment on “${title}”`,
  "task.comment_removed": (_, title) => `removed a comment on “${title}”`,
  "document.created": ({ title }) => `began the document “${title}”`,
  "document.changed": ({ fields = [] }, title) => `wrote ${(Array.isArray(fields) ? fields : Object.keys(fields)).join(", ") || "the title"} in “${title}”`,
  "document.removed": (_, title) => `removed “${title}”`,
  "project.created": () => "created the project",
  "project.changed": (detail) => `changed ${listed(detail)} of the project`,
  "project.status_changed": ({ status }) => `set the project to ${status}`,
  "project.manager_changed": ({ manager }, _, nameOf) => `made ${nameOf(manager)} the manager`,
  "project.member_added": ({ user, role }, _, nameOf) => `added ${nameOf(user)} as ${role}`,
  "project.member_removed": ({ user }, _, nameOf) => `removed ${nameOf(user)}`,
  "project.member_role_changed": ({ user, role }, _, nameOf) => `made ${nameOf(user)} ${role}`,
  "reaction.added": ({ emoji }) => `answered ${emoji}`,
  "participation.joined": () => "came in",
  "participation.left": () => "left",
  "activity.recorded": ({ kind }) => kind.replace(".", " "),
  "file.uploaded": ({ name }) => `uploaded ${name}`,
};

export function Feed() {
  const model = useHere();
  const nameOf = useNames();
  const rows = useStore(model.feed);
  const tasks = useStore(model.tasks);
  const documents = useStore(model.documents);
  const to = (subject) => (tasks.has(subject) ? model.link("task", subject) : documents.has(subject) && model.link("documents", subject));
  const row = ({ position, actor, verb, subject, at, detail }) => {
    const { title = "something" } = tasks.get(subject) ?? documents.get(subject) ?? {};
    const words = SENTENCES[verb]?.(detail ?? {}, title, nameOf) ?? verb.replace(/[._]/g, " ");
    const link = model.event?.(position) ?? to(subject);
    return html`<li key=${position}>
      <${Avatar} id=${actor} small />
      <p><b>${nameOf(actor)}</b> ${link ? html`<a href=${link}>${words}</a>` : words} <${Ago} at=${at} /></p>
    </li>`;
  };
  return html`<section class="feed" aria-label="Activity" tabindex="0">
    <h2>Activity</h2>
    <ol>${rows.map(row)}</ol>
    ${rows.length === 0 && html`<p class="muted">Nothing has happened yet, or it is not yours to see.</p>`}
  </section>`;
}
