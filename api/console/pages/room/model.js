/** A project as it is now: read once, then kept by the events of its room. What one does
 * oneself shows at once. */

import { Store, all, failed, get, href, leave, live, membersOf, myId, nameOf, send, toast } from "../../lib/page.js";

const FEED = 100; // activities that are shown
// Events leave out what is as always.
const NEW_TASK = { description: "", status: "todo", priority: "normal", assignee: null, due: null, comments: 0 };
const UNSEEN = new Set(["activity.recorded"]); // it is shown as presence

export class Model {
  project = new Store(undefined);
  members = new Store([]); // of the project
  tasks = new Store(new Map());
  documents = new Store(new Map());
  comments = new Store(new Map()); // by task that was opened
  feed = new Store([]); // newest first
  touched = new Store(undefined); // by somebody else: {subject, by}
  room = new Store(undefined); // the live one; undefined for who may only read
  can = () => false;
  #told; // newest position; not the room's own, to which REST may never come
  #changed = new Map(); // by task or document: the newest event
  #early = []; // came before what they change was read
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
    await this.#read(this.room.value?.joined);
  }

  close() {
    this.#closed = true;
    for (const stop of this.#stops) stop();
    if (this.room.value) leave(this.room.value.name);
  }

  async #join() {
    const room = await live().join(`project:${this.id}`);
    if (this.#closed) return leave(room.name);
    this.#stops = [
      room.on("event", (event) => this.#hear(event)),
      room.on("joined", (joined) => joined.mode === "snapshot" && this.#read(joined).catch(failed)),
      room.on("lost", ({ reason }) => toast(reason ? `Your edit was taken over: ${reason}` : "Your hold on a field has ended.", "error")),
      room.on("left", ({ why }) => why !== "said" && this.room.set(undefined)),
    ];
    this.room.set(room);
  }

  #hear(event) {
    this.#told = event.pos;
    if (this.#early) this.#early.push(event);
    else this.apply(event);
  }

  /** At least up to what the room has told; then what came meanwhile. */
  async #read(joined) {
    this.#early ??= [];
    this.#told = joined?.recent?.at(-1)?.pos ?? this.#told;
    const query = { min_position: this.#told };
    const path = `/projects/${this.id}`;
    const [project, tasks, documents, feed] = await Promise.all([
      get(path, query),
      all("/tasks", { ...query, project: this.id }),
      all("/documents", { ...query, project: this.id }),
      this.can("activity.read") ? get(`${path}/activity`, { ...query, limit: FEED }) : { items: [] },
      this.readMembers(),
    ]);
    this.project.set(project);
    this.tasks.set(keyed(tasks));
    this.documents.set(keyed(documents));
    this.feed.set(feed.items.filter(({ verb }) => !UNSEEN.has(verb)));
    for (const task of this.comments.value.keys()) this.openTask(task).catch(failed);
    for (const event of this.#early.splice(0)) this.apply(event);
    this.#early = undefined;
  }

  link(...where) {
    return href("projects", this.id, ...where);
  }

  async openTask(id) {
    put(this.comments, id, await this.#newest(id, (query) => all(`/tasks/${id}/comments`, query)));
  }

  async openDocument(id) {
    const row = await this.#newest(id, (query) => get(`/documents/${id}`, query));
    const fields = keyed(row.fields, "name");
    put(this.documents, id, { ...row, fields });
  }

  /** At least up to what the room has told, also meanwhile. */
  async #newest(id, read) {
    for (;;) {
      const position = this.#told;
      const found = await read({ min_position: position });
      if (position === undefined || !(this.#changed.get(id) > position)) return found;
    }
  }

  // what one does here

  changeTask(id, label, change, { part = "", lock } = {}) {
    this.#patch(this.tasks, id, change);
    const command = { label, method: part ? "PUT" : "PATCH", path: `/tasks/${id}${part}`, body: change, lock };
    return orElse(send(command), async () => this.#patch(this.tasks, id, await get(`/tasks/${id}`)));
  }

  addTask(title, status) {
    return this.#add(`New task “${title}”`, `/projects/${this.id}/tasks`, { title, status });
  }

  addComment(task, body) {
    const mentions = this.members.value.filter(({ name }) => name && body.includes(`@${name}`));
    return this.#add("A comment", `/tasks/${task}/comments`, { body, mentions: mentions.map(({ user_id }) => user_id) });
  }

  addDocument(title) {
    return this.#add(`New document “${title}”`, `/projects/${this.id}/documents`, { title, fields: { summary: "" } });
  }

  #add(label, path, body) {
    return send({ label, method: "POST", path, body });
  }

  changeField(document, name, text, lock) {
    this.#write(document, { [name]: text }, { by: myId(), at: new Date().toISOString() });
    const body = { fields: { [name]: text } };
    const command = { label: `Text of “${name}”`, method: "PATCH", path: `/documents/${document}`, body, lock };
    return orElse(send(command), () => this.openDocument(document));
  }

  // what happens here

  apply(event) {
    const { type, subject, pos, by } = event;
    this.#changed.set(subject, pos);
    const [kind] = type.split(".");
    if (kind === "task") this.#task(event);
    else if (kind === "document") this.#document(event);
    else if (kind === "project") this.#project(event);
    if (kind === "lock" || UNSEEN.has(type) || this.feed.value.some(({ position }) => position === pos)) return;
    this.feed.update((rows) => [told(event), ...rows].slice(0, FEED));
    if (by !== myId()) this.touched.set({ subject, by });
  }

  #task(event) {
    const { type, subject, data, pos } = event;
    const known = this.tasks.value.get(subject);
    if (known && pos <= known.position) return this.#comment(event);
    if (type === "task.created") {
      put(this.tasks, subject, { ...NEW_TASK, ...data, id: subject, created_at: data.at, position: pos });
    } else if (type.startsWith("task.comment_")) {
      const more = { "task.comment_added": 1, "task.comment_removed": -1 }[type] ?? 0;
      this.#patch(this.tasks, subject, { comments: (known?.comments ?? 0) + more, position: pos });
      this.#comment(event);
      this.#mention(event, known);
    } else {
      const { was, ...change } = data;
      this.#patch(this.tasks, subject, { ...change, position: pos });
    }
  }

  #comment({ type, subject, data, pos, at }) {
    const comments = this.comments.value.get(subject);
    if (!comments || !type.startsWith("task.comment_")) return;
    const others = comments.filter(({ id }) => id !== data.comment);
    const known = comments.find(({ id }) => id === data.comment);
    const row = { created_at: at, ...known, ...data, id: data.comment, position: known?.position ?? pos };
    const after = type === "task.comment_removed" ? others : [...others, row].sort((a, b) => a.position - b.position);
    put(this.comments, subject, after);
  }

  #mention({ type, data: { mentions = [], author }, by }, task) {
    if (type !== "task.comment_added" || by === myId() || !mentions.includes(myId())) return;
    toast(`${nameOf(author)} mentioned you on “${task?.title ?? "a task"}”`);
  }

  #document({ type, subject, data, pos, at, by }) {
    const known = this.documents.value.get(subject);
    if (known && pos <= known.position) return;
    if (type === "document.removed") return this.documents.update((all) => new Map([...all].filter(([id]) => id !== subject)));
    if (!known) put(this.documents, subject, { id: subject, created_at: at, fields: new Map() });
    const { fields, dropped, title } = data;
    this.#write(subject, fields, { by, at, dropped }, { position: pos, ...(title && { title }) });
  }

  #write(id, texts = {}, { by, at, dropped = [] }, change) {
    const known = this.documents.value.get(id)?.fields;
    const fields = known && new Map(known); // of one that was opened
    for (const [name, text] of Object.entries(texts)) fields?.set(name, { name, text, changed_at: at, changed_by: by });
    for (const name of dropped) fields?.delete(name);
    this.#patch(this.documents, id, { fields, changed_at: at, changed_by: by, ...change });
  }

  #project({ type, data }) {
    const { was, ...change } = data;
    if (type.startsWith("project.member_")) this.readMembers().catch(failed);
    else if (/changed$/.test(type)) this.project.update((row) => ({ ...row, ...change }));
  }

  async readMembers() {
    this.members.set(await membersOf(this.id, { min_position: this.#told }));
  }

  #patch(store, id, change) {
    const known = store.value.get(id);
    if (known) put(store, id, { ...known, ...change });
  }
}

/** A refusal brings back what the server has. */
const orElse = (sent, read) =>
  sent.catch((error) => {
    read().catch(() => {});
    throw error;
  });

const put = (store, id, row) => store.update((all) => new Map(all).set(id, row));

/** An event as REST tells of activity. */
export const told = ({ pos: position, by: actor, type: verb, data: detail, subject, at }) => ({ position, actor, verb, detail, subject, at });

export const keyed = (rows, key = "id") => new Map(rows.map((row) => [row[key], row]));
