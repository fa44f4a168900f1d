/** A project as it is now: read once, then kept by the events of its room.
 *
 * What one does oneself shows at once; the event that follows says the same, and a refusal brings
 * back what the server has.
 */

import { live } from "../../lib/live.js";
import { send } from "../../lib/outbox.js";
import { remember } from "../../lib/people.js";
import { all, get } from "../../lib/rest.js";
import { href } from "../../lib/route.js";
import { session } from "../../lib/session.js";
import { Store } from "../../lib/store.js";
import { failed, toast } from "../../lib/toast.js";

const FEED = 100; // activities that are shown
// Events leave out what is as always.
const NEW_TASK = { description: "", status: "todo", priority: "normal", assignee: null, due: null, comments: 0 };
const UNSEEN = new Set(["activity.recorded"]); // where somebody looked: shown as presence

export class Model {
  project = new Store(undefined);
  members = new Store([]); // of the project
  tasks = new Store(new Map());
  documents = new Store(new Map());
  comments = new Store(new Map()); // of tasks that were opened, by task
  feed = new Store([]); // newest first
  touched = new Store(undefined); // the newest change of somebody else: {subject, by}
  room = new Store(undefined); // the live one; undefined for who may only read
  can = () => false;
  #told; // the position of the room's newest event; its own may be one of motion, which REST never comes to
  #changed = new Map(); // by task or document: the newest event
  #early = []; // events that came before what they change was read
  #closed = false;
  #stops = [];

  constructor(id) {
    this.id = id;
  }

  async open() {
    const rights = await get("/auth/rights", { project: this.id });
    const actions = new Set(rights.actions);
    this.can = (action) => actions.has(action);
    if (this.can("room.join")) await this.#join();
    await this.#read();
  }

  close() {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    if (this.room.value) live()?.leave(this.room.value.name).catch(() => {});
  }

  async #join() {
    const room = await live().join(`project:${this.id}`);
    if (this.#closed) return void live()?.leave(room.name).catch(() => {});
    this.#stops = [
      room.on("event", (event) => this.#hear(event)),
      room.on("joined", (joined) => joined.mode === "snapshot" && this.#look(joined).catch(failed)),
      room.on("lost", ({ reason }) => toast(reason ? `Your edit was taken over: ${reason}` : "Your hold on a field has ended.", "error")),
      room.on("left", ({ why }) => why !== "said" && this.room.set(undefined)),
    ];
    this.#told = room.joined.recent?.at(-1)?.pos;
    this.room.set(room);
  }

  #look(joined) {
    this.#told = joined.recent?.at(-1)?.pos ?? this.#told;
    return this.#read();
  }

  #hear(event) {
    this.#told = event.pos;
    if (this.#early) this.#early.push(event);
    else this.apply(event);
  }

  /** All there is, at least up to what the room has told; then what came meanwhile. */
  async #read() {
    this.#early ??= [];
    const query = { min_position: this.#told };
    const path = `/projects/${this.id}`;
    const [project, members, tasks, documents, feed] = await Promise.all([
      get(path, query),
      all(`${path}/members`, query),
      all("/tasks", { ...query, project: this.id }),
      all("/documents", { ...query, project: this.id }),
      this.can("activity.read") ? get(`${path}/activity`, { ...query, limit: FEED }) : { items: [] },
    ]);
    remember(members.map(({ user_id, name }) => [user_id, name]));
    this.project.set(project);
    this.members.set(members);
    this.tasks.set(byId(tasks));
    this.documents.set(byId(documents));
    this.feed.set(feed.items.filter(({ verb }) => !UNSEEN.has(verb)));
    for (const task of this.comments.value.keys()) this.openTask(task).catch(failed);
    for (const event of this.#early.splice(0)) this.apply(event);
    this.#early = undefined;
  }

  /** Where more is told of something in it. */
  link(...where) {
    return href("projects", this.id, ...where);
  }

  async openTask(id) {
    const rows = await this.#newest(id, (query) => all(`/tasks/${id}/comments`, query));
    this.comments.update((before) => new Map(before).set(id, rows));
  }

  async openDocument(id) {
    const row = await this.#newest(id, (query) => get(`/documents/${id}`, query));
    const fields = new Map(row.fields.map((field) => [field.name, field]));
    this.documents.update((before) => new Map(before).set(id, { ...row, fields }));
  }

  /** What is read shows at least what the room has told, also while it was read. */
  async #newest(id, read) {
    for (;;) {
      const position = this.#told;
      const found = await read({ min_position: position });
      if (position === undefined || !(this.#changed.get(id) > position)) return found;
    }
  }

  // what one does here

  changeTask(id, label, change, { method = "PATCH", part = "", lock } = {}) {
    this.#patch(this.tasks, id, change);
    return send({ label, method, path: `/tasks/${id}${part}`, body: change, lock }).catch((error) => {
      get(`/tasks/${id}`).then((row) => this.#patch(this.tasks, id, row), () => {});
      throw error;
    });
  }

  addTask(title, status) {
    const body = { title, status };
    return send({ label: `New task “${title}”`, method: "POST", path: `/projects/${this.id}/tasks`, body });
  }

  addComment(task, body) {
    const mentions = this.members.value.filter(({ name }) => name && body.includes(`@${name}`));
    const said = { body, mentions: mentions.map(({ user_id }) => user_id) };
    return send({ label: "A comment", method: "POST", path: `/tasks/${task}/comments`, body: said });
  }

  addDocument(title) {
    const body = { title, fields: { summary: "" } };
    return send({ label: `New document “${title}”`, method: "POST", path: `/projects/${this.id}/documents`, body });
  }

  changeField(document, name, text, lock) {
    this.#write(document, { [name]: text }, { by: session.value.me.id, at: new Date().toISOString() });
    const body = { fields: { [name]: text } };
    return send({ label: `Text of “${name}”`, method: "PATCH", path: `/documents/${document}`, body, lock }).catch((error) => {
      this.openDocument(document).catch(() => {});
      throw error;
    });
  }

  // what happens here

  apply(event) {
    const { type, pos } = event;
    this.#changed.set(event.subject, pos);
    const [kind] = type.split(".");
    if (kind === "task") this.#task(event);
    else if (kind === "document") this.#document(event);
    else if (kind === "project") this.#project(event);
    if (kind === "lock" || UNSEEN.has(type) || this.feed.value.some(({ position }) => position === pos)) return;
    const { by: actor, subject, at, data: detail } = event;
    this.feed.update((all) => [{ position: pos, actor, verb: type, subject, at, detail }, ...all].slice(0, FEED));
    if (actor !== session.value.me?.id) this.touched.set({ subject, by: actor });
  }

  #task({ type, subject, data, pos, at, by }) {
    const known = this.tasks.value.get(subject);
    if (known && pos <= known.position) return this.#comment(type, subject, data, pos, at);
    if (type === "task.created") {
      const row = { ...NEW_TASK, ...data, id: subject, created_at: data.at, position: pos };
      this.tasks.update((all) => new Map(all).set(subject, row));
    } else if (type.startsWith("task.comment_")) {
      const more = { "task.comment_added": 1, "task.comment_removed": -1 }[type] ?? 0;
      this.#patch(this.tasks, subject, { comments: (known?.comments ?? 0) + more, position: pos });
      this.#comment(type, subject, data, pos, at);
      this.#mention(type, known, data, by);
    } else {
      const { was, ...change } = data;
      this.#patch(this.tasks, subject, { ...change, position: pos });
    }
  }

  #comment(type, task, data, position, at) {
    const comments = this.comments.value.get(task);
    if (!comments || !type.startsWith("task.comment_")) return;
    const others = comments.filter(({ id }) => id !== data.comment);
    const known = comments.find(({ id }) => id === data.comment);
    const row = { created_at: at, ...known, ...data, id: data.comment, position: known?.position ?? position };
    const after = type === "task.comment_removed" ? others : [...others, row].sort((a, b) => a.position - b.position);
    this.comments.update((all) => new Map(all).set(task, after));
  }

  #mention(type, task, { mentions = [], author }, by) {
    const me = session.value.me?.id;
    if (type !== "task.comment_added" || by === me || !mentions.includes(me)) return;
    const name = this.members.value.find(({ user_id }) => user_id === author)?.name ?? "Somebody";
    toast(`${name} mentioned you on “${task?.title ?? "a task"}”`);
  }

  #document({ type, subject, data, pos, at, by }) {
    const known = this.documents.value.get(subject);
    if (known && pos <= known.position) return;
    if (type === "document.removed") {
      this.documents.update((all) => new Map([...all].filter(([id]) => id !== subject)));
      return;
    }
    if (!known) {
      const fields = new Map(Object.entries(data.fields ?? {}).map(([name, text]) => [name, { name, text, changed_at: at, changed_by: by }]));
      const row = { id: subject, title: data.title, created_at: at, changed_at: at, changed_by: by, fields, position: pos };
      this.documents.update((all) => new Map(all).set(subject, row));
      return;
    }
    this.#write(subject, data.fields ?? {}, { by, at, dropped: data.dropped, title: data.title, position: pos });
  }

  #write(id, texts, { by, at, dropped = [], title, position }) {
    const known = this.documents.value.get(id);
    if (!known) return;
    const fields = known.fields && new Map(known.fields);
    for (const [name, text] of Object.entries(texts)) fields?.set(name, { name, text, changed_at: at, changed_by: by });
    for (const name of dropped) fields?.delete(name);
    this.#patch(this.documents, id, {
      fields,
      changed_at: at,
      changed_by: by,
      ...(title && { title }),
      ...(position && { position }),
    });
  }

  #project({ type, data }) {
    if (type === "project.changed") this.project.update((row) => ({ ...row, ...data }));
    else if (type === "project.status_changed") this.project.update((row) => ({ ...row, status: data.status }));
    else if (type.startsWith("project.member_")) this.readMembers().catch(failed);
  }

  async readMembers() {
    const members = await all(`/projects/${this.id}/members`, { min_position: this.#told });
    remember(members.map(({ user_id, name }) => [user_id, name]));
    this.members.set(members);
  }

  #patch(store, id, change) {
    const known = store.value.get(id);
    if (known) store.update((all) => new Map(all).set(id, { ...known, ...change }));
  }
}

const byId = (rows) => new Map(rows.map((row) => [row.id, row]));
