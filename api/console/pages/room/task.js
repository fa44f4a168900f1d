/** One task, beside the board. */

import { STATUSES } from "./board.js";
import { Comments } from "./comments.js";
import { Field } from "./field.js";
import { Panel, Select, failed, href, html, useHere, useNames, useStore } from "./heard.js";

const PRIORITIES = ["low", "normal", "high", "urgent"];

export function TaskPanel({ id }) {
  const model = useHere();
  const task = useStore(model.tasks).get(id);
  return html`<${Panel} title="Task" label=${task && `Task: ${task.title}`} from=${`[data-task="${id}"]`} close=${href("projects", model.id)}>
    ${task ? html`<${Task} task=${task} />` : html`<p class="empty">There is no such task.</p>`}
  <//>`;
}

function Task({ task }) {
  const model = useHere();
  const may = model.can("task.write");
  const { id, title } = task;
  const text = (name, label, given) => {
    const save = (text, lock) => model.changeTask(id, `The ${name} of “${title}”`, { [name]: text }, { lock });
    return html`<${Field} key=${name} of="task:${id}" name=${name} label=${label} value=${task[name]} may=${may} save=${save} ...${given} />`;
  };
  return html`
    <h2 class="hidden">${title}</h2>
    ${text("title", "Title", { single: true, most: "200" })}
    <${Properties} task=${task} may=${may} />
    ${text("description", "Description")}
    <${Comments} task=${id} />
  `;
}

function Properties({ task, may }) {
  const model = useHere();
  const nameOf = useNames();
  const people = useStore(model.members).map(({ user_id }) => [user_id, nameOf(user_id)]);
  const given = (name, part) => ({
    value: task[name] ?? "",
    disabled: !may,
    onChange: ({ target }) => model.changeTask(task.id, `Change “${task.title}”`, { [name]: target.value || null }, { part }).catch(failed),
  });
  return html`<div class="properties">
    <label>Status<${Select} options=${Object.entries(STATUSES)} ...${given("status", "/status")} /></label>
    <label>Priority<${Select} options=${PRIORITIES} ...${given("priority")} /></label>
    <label>Assignee<${Select} options=${[["", "Nobody"], ...people]} ...${given("assignee", "/assignee")} /></label>
    <label>Due<input type="date" ...${given("due")} /></label>
  </div>`;
}
