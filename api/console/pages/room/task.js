/** One task beside the board: its texts, who does it and when, and what is said about it. */

import { html, useLayoutEffect, useRef } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { useNames } from "../../lib/people.js";
import { go } from "../../lib/route.js";
import { useStore } from "../../lib/store.js";
import { failed } from "../../lib/toast.js";
import { STATUSES } from "./board.js";
import { Comments } from "./comments.js";
import { Field } from "./field.js";
import { useHere } from "./heard.js";

const PRIORITIES = ["low", "normal", "high", "urgent"];

export function TaskPanel({ id }) {
  const model = useHere();
  const task = useStore(model.tasks).get(id);
  const panel = useRef();
  useLayoutEffect(() => {
    panel.current?.focus({ preventScroll: true });
    return () => requestAnimationFrame(() => document.querySelector(`[data-task="${id}"]`)?.focus());
  }, []);
  const close = () => go(`projects/${model.id}`);
  // out of what one writes first, then out of the task
  const keys = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select")) panel.current.focus();
    else close();
  };
  return html`<aside class="panel" ref=${panel} tabindex="-1" aria-label=${task ? `Task: ${task.title}` : "Task"} onKeyDown=${keys}>
    <div class="panel-head">
      <span class="muted">Task</span>
      <button class="plain" aria-label="Close the task" onClick=${close}><${Icon} name="close" /></button>
    </div>
    ${task ? html`<${Task} task=${task} />` : html`<p class="empty">There is no such task.</p>`}
  </aside>`;
}

function Task({ task }) {
  const model = useHere();
  const may = model.can("task.write");
  const { id, title } = task;
  const save = (name) => (text, lock) => model.changeTask(id, `The ${name} of “${title}”`, { [name]: text }, { lock });
  return html`
    <h2 class="hidden">${title}</h2>
    <${Field} key="title" of="task:${id}" name="title" label="Title" value=${title} may=${may} single most="200" save=${save("title")} />
    <${Properties} task=${task} may=${may} />
    <${Field} key="description" of="task:${id}" name="description" label="Description" value=${task.description} may=${may} most="20000" save=${save("description")} />
    <${Comments} task=${id} />
  `;
}

function Properties({ task, may }) {
  const model = useHere();
  const nameOf = useNames();
  const people = useStore(model.members);
  const { id, title, status, priority, assignee, due } = task;
  const change = (value, options) => model.changeTask(id, `Change “${title}”`, value, options).catch(failed);
  const put = (part) => ({ method: "PUT", part });
  return html`<div class="properties">
    <label>Status
      <select value=${status} disabled=${!may} onChange=${({ target }) => change({ status: target.value }, put("/status"))}>
        ${Object.entries(STATUSES).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
      </select>
    </label>
    <label>Priority
      <select value=${priority} disabled=${!may} onChange=${({ target }) => change({ priority: target.value })}>
        ${PRIORITIES.map((value) => html`<option key=${value} value=${value}>${value}</option>`)}
      </select>
    </label>
    <label>Assignee
      <select value=${assignee ?? ""} disabled=${!may} onChange=${({ target }) => change({ assignee: target.value || null }, put("/assignee"))}>
        <option value="">Nobody</option>
        ${people.map(({ user_id }) => html`<option key=${user_id} value=${user_id}>${nameOf(user_id)}</option>`)}
      </select>
    </label>
    <label>Due
      <input type="date" value=${due ?? ""} disabled=${!may} onChange=${({ target }) => change({ due: target.value || null })} />
    </label>
  </div>`;
}
