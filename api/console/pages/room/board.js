/** The board: a column for each status; tasks are dragged, or moved with Shift and the arrows. */

import { Cursors } from "./cursors.js";
import { Avatar, Icon, Line, colourOf, failed, focused, html, instead, myId, names, onDay, useEffect, useHeard, useHere, useLayoutEffect, useNames, useRef, useState, useStore } from "./heard.js";

export const STATUSES = { todo: "To do", in_progress: "In progress", review: "Review", done: "Done", cancelled: "Cancelled" };
const ORDER = { urgent: 0, high: 1, normal: 2, low: 3 };
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const QUIET = "(prefers-reduced-motion: reduce)";
const FLASH = 1_600; // milliseconds in which a change by somebody else is marked

export function Board({ chosen }) {
  const model = useHere();
  const tasks = useStore(model.tasks);
  const room = useStore(model.room);
  const surface = useRef();
  const marks = useMarks(model, room);
  const columns = columned(tasks);
  useGlide(surface, tasks);
  const focusOn = (id) => surface.current.querySelector(`[data-task="${id}"]`)?.focus();
  const moved = useRef(); // it keeps the focus
  useLayoutEffect(() => {
    if (moved.current) focusOn(moved.current);
    moved.current = undefined;
  });
  const move = (task, status) => {
    if (!status || task.status === status || !model.can("task.write")) return;
    model.changeTask(task.id, `Move “${task.title}” to ${STATUSES[status]}`, { status }, { part: "/status" }).catch(failed);
  };
  const keys = (event, task) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const column = columns.findIndex(([, rows]) => rows.includes(task));
    if (!event.shiftKey) return focusOn(neighbour(columns, column, columns[column][1].indexOf(task), step)?.id);
    moved.current = task.id;
    move(task, columns[column + step[0]]?.[0]);
  };
  return html`<section class="board-scroll" aria-label="Board" tabindex="-1">
    <div class="board" ref=${surface} style=${{ "--columns": columns.length }}>
      ${columns.map(
        ([status, rows]) => html`<${Column} key=${status} status=${status} rows=${rows} onDrop=${(id) => move(tasks.get(id), status)}>
          ${rows.map(
            (task) => html`<${Card} key=${task.id} task=${task} mark=${marks(task.id)} chosen=${task.id === chosen} onKeyDown=${(event) => keys(event, task)} />`,
          )}
        <//>`,
      )}
      <${Cursors} room=${room} on="board" surface=${surface} />
    </div>
    <p class="hint muted">
      <kbd>↑</kbd> <kbd>↓</kbd> <kbd>←</kbd> <kbd>→</kbd> go from task to task, with <kbd>Shift</kbd> they move it.
    </p>
  </section>`;
}

function Column({ status, rows, onDrop, children }) {
  const model = useHere();
  const [over, setOver] = useState(false);
  const drop = instead((_, { dataTransfer }) => {
    setOver(false);
    onDrop(dataTransfer.getData("text/formula-task"));
  });
  const drag = { onDragOver: instead(() => setOver(true)), onDragLeave: () => setOver(false), onDrop: drop };
  return html`<section class=${names("column", over && "over")} aria-label="${STATUSES[status]}, ${rows.length}" ...${drag}>
    <h2><i class="state ${status}"></i>${STATUSES[status]}<small>${rows.length}</small></h2>
    <ul>${children}</ul>
    ${model.can("task.write") && html`<${NewTask} status=${status} />`}
  </section>`;
}

function Card({ task, mark, chosen, onKeyDown }) {
  const model = useHere();
  const nameOf = useNames();
  const { typing, holder, watchers, touched } = mark;
  const drag = (event) => {
    event.dataTransfer.setData("text/formula-task", task.id);
    event.dataTransfer.effectAllowed = "move";
  };
  return html`<li>
    <a
      class=${names("task", chosen && "chosen", touched && "touched")}
      style=${touched && { "--by": colourOf(touched) }}
      href=${model.link("task", task.id)}
      data-task=${task.id}
      draggable=${model.can("task.write")}
      aria-keyshortcuts="Shift+ArrowRight Shift+ArrowLeft"
      onDragStart=${drag}
      onKeyDown=${onKeyDown}
    >
      <span class="task-title">${task.title}</span>
      <span class="task-foot">
        ${task.priority !== "normal" && html`<span class="tag ${task.priority}">${task.priority}</span>`}
        ${task.due && html`<span class="muted">${onDay(task.due)}</span>`}
        ${task.comments > 0 && html`<span class="muted count" aria-label="${task.comments} comments"><${Icon} name="comment" />${task.comments}</span>`}
        ${holder && html`<span class="count" role="img" title="${nameOf(holder)} is editing"><${Icon} name="lock" /></span>`}
        ${typing && html`<span class="dots" role="img" aria-label="${nameOf(typing)} is typing" style=${{ color: colourOf(typing) }}><i></i><i></i><i></i></span>`}
        <span class="task-people">
          ${watchers.map((user) => html`<${Avatar} key=${user} id=${user} small label="${nameOf(user)} looks at it" />`)}
          ${task.assignee && html`<span class="assignee"><${Avatar} id=${task.assignee} small label="Assigned to ${nameOf(task.assignee)}" /></span>`}
        </span>
      </span>
    </a>
  </li>`;
}

function NewTask({ status }) {
  const model = useHere();
  const [open, setOpen] = useState();
  const add = (title) => void model.addTask(title, status).catch(failed);
  if (!open)
    return html`<button ref=${open === null && focused} class="plain add" aria-label="New task in ${STATUSES[status]}" onClick=${() => setOpen(true)}><${Icon} name="plus" />New task</button>`;
  const close = {
    onKeyDown: ({ key }) => key === "Escape" && setOpen(null),
    onBlur: ({ target }) => target.value || setOpen(false),
  };
  return html`<${Line} label="Title of the new task" placeholder="What is to be done?" onTaken=${add} begins ...${close} />`;
}

function useMarks(model, room) {
  const typing = useHeard(room, "typing");
  const locks = useHeard(room, "locks");
  const selections = useHeard(room, "selections");
  const newest = useStore(model.touched);
  const [touched, setTouched] = useState();
  useEffect(() => {
    if (!newest) return;
    setTouched(newest);
    const timer = setTimeout(() => setTouched(undefined), FLASH);
    return () => clearTimeout(timer);
  }, [newest]);
  const me = myId();
  return (id) => ({
    typing: typing.find(({ where }) => where.startsWith(`task:${id}`))?.user,
    holder: [...locks.values()].find(({ resource }) => resource.startsWith(`task:${id}`))?.holder,
    watchers: [...new Set([...selections.values()].filter(({ user, selection }) => user !== me && selection?.task === id).map(({ user }) => user))].slice(0, 3),
    touched: touched?.subject === id && touched.by,
  });
}

function columned(tasks) {
  const order = (a, b) => ORDER[a.priority] - ORDER[b.priority] || a.created_at.localeCompare(b.created_at) || a.id.localeCompare(b.id);
  const sorted = [...tasks.values()].sort(order);
  const columns = Object.keys(STATUSES).map((status) => [status, sorted.filter((task) => task.status === status)]);
  return columns.filter(([status, rows]) => status !== "cancelled" || rows.length);
}

/** Columns without any task are passed over. */
function neighbour(columns, column, row, [across, down]) {
  const rows = columns[column + across]?.[1];
  if (rows?.length === 0) return neighbour(columns, column + across, row, [across, down]);
  return rows?.[Math.min(Math.max(row + down, 0), rows.length - 1)];
}

/** Tasks go to their new place instead of jumping there. */
function useGlide(surface, tasks) {
  const places = useRef(new Map());
  useLayoutEffect(() => {
    const before = places.current;
    places.current = new Map();
    const origin = surface.current.getBoundingClientRect();
    for (const element of surface.current.querySelectorAll("[data-task]")) {
      const { x, y } = element.getBoundingClientRect();
      const now = { x: x - origin.x, y: y - origin.y };
      const was = before.get(element.dataset.task);
      places.current.set(element.dataset.task, now);
      const [right, down] = was ? [was.x - now.x, was.y - now.y] : [0, 0];
      if ((!right && !down) || matchMedia(QUIET).matches) continue;
      element.animate([{ transform: `translate(${right}px, ${down}px)` }, { transform: "none" }], { duration: 180, easing: "ease-out" });
    }
  }, [tasks]);
}
