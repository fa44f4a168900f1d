/** A room as its reader sees it: its events in order, none twice, none missing, and who is there. */

import { Emitter } from "./emitter.js";
import { Cursors, Marks, Paced } from "./motion.js";

const CURSOR_EVERY = 50; // milliseconds between two of one's own cursor frames
const TYPING_EVERY = 2_500; // and between two that say the same of one's typing

// After these a lock is not what it was.
const ENDS = new Set(["lock.expired", "lock.stolen", "lock.released"]);

// The status of a person with several connections is that of the most present one.
const PRESENCE = { online: 0, away: 2 };
const rank = (member) => (member.dropped ? 3 : (PRESENCE[member.status] ?? 1));

export class Room extends Emitter {
  name;
  last; // the position of the newest event applied; undefined: not joined yet
  joined; // the newest `joined` frame
  locks = new Map(); // by resource
  held = new Map(); // one's own of them, with their fencing tokens
  selections = new Map(); // by user
  #members = new Map(); // by participation
  #people; // the same by user, made when it is asked for
  #me;
  #link;
  #rejoining = false;
  #cursors = new Cursors(() => this.emit("cursors", this.cursors));
  #typing = new Marks(() => this.emit("typing", this.typing));
  #cursor = new Paced((at) => this.#tell("cursor", { at }), CURSOR_EVERY);
  #typed = {}; // the newest mark of one's own, and when it was sent

  constructor(name, link, me, location = "") {
    super();
    this.name = name;
    this.location = location;
    this.#link = link;
    this.#me = me;
  }

  /** Who is here: one entry a person, with all their connections. */
  get members() {
    this.#people ??= people(this.#members.values());
    return this.#people;
  }

  /** Where the others' cursors are at this moment of their glide. */
  get cursors() {
    return this.#cursors.list;
  }

  get typing() {
    return this.#typing.list;
  }

  /** What a replay's room is at; undefined in a live one. */
  get replay() {
    return this.joined?.replay;
  }

  // what one does here

  act(kind, data = {}, { id } = {}) {
    return this.#ask("act", { kind, data, ...(id && { id }) });
  }

  cursor(at) {
    this.#cursor.push(at);
  }

  /** To be called on every key that is pressed: it is not sent more often than is needed. */
  type(where, on = true) {
    const now = performance.now();
    const { where: before, on: was, at } = this.#typed;
    if (before === where && was === on && (!on || now - at < TYPING_EVERY)) return;
    this.#typed = { where, on, at: now };
    this.#tell("typing", { where, on });
  }

  select(selection) {
    this.#tell("select", { selection });
  }

  /** Renewed by the server while connected, and by us after a drop; see `lost`. */
  async lock(resource, { ttl, keep } = {}) {
    return this.#hold(resource, await this.#ask("lock", { resource, ttl, keep }));
  }

  async unlock(resource, token = this.held.get(resource)?.token) {
    this.held.delete(resource);
    return this.#ask("unlock", { resource, token: token ?? 0 });
  }

  async renew(resource, token = this.held.get(resource)?.token) {
    return this.#hold(resource, await this.#ask("renew", { resource, token: token ?? 0 }));
  }

  async steal(resource, reason, { ttl } = {}) {
    return this.#hold(resource, await this.#ask("steal", { resource, reason, ttl }));
  }

  // what steers a replay

  pause() {
    return this.act("pause");
  }

  resume() {
    return this.act("resume");
  }

  seek(to) {
    return this.act("seek", { to });
  }

  speed(speed) {
    return this.act("speed", { speed });
  }

  // frames in

  hear(frame) {
    switch (frame.op) {
      case "joined":
        return this.#join(frame);
      case "ev":
      case "skip":
        return this.#event(frame);
      case "head":
        return frame.pos > this.last && this.rejoin();
      case "lagged":
        return this.rejoin();
      case "mo":
        return this.#motion(frame);
      case "presence":
        return this.#presence(frame);
      case "ended":
        return this.emit("ended", frame);
    }
  }

  /** Ask for what is missing, once. Rejected, it ends with the connection or with the room. */
  async rejoin() {
    if (this.#rejoining || this.last === undefined) return;
    this.#rejoining = true;
    const { name: room, last: after, location } = this;
    try {
      await this.#link.ask({ op: "join", room, after, location }, { urgent: true });
    } catch (error) {
      this.#rejoining = false;
      if (error.retryAfter !== undefined)
        setTimeout(() => this.rejoin(), error.retryAfter * 1_000);
      else if (error.code !== "client.dropped") this.emit("refused", error);
    }
  }

  /** After a drop the server renews only what it is told of anew. */
  async keep() {
    for (const [resource, { token }] of this.held)
      await this.renew(resource, token).catch((error) => this.#lose(resource, { error }));
  }

  /** Over: nothing more is heard. */
  end(why) {
    this.#cursors.clear();
    this.#typing.clear();
    this.#cursor.stop();
    this.emit("left", { room: this.name, why });
  }

  #join(frame) {
    this.joined = frame;
    this.#rejoining = false;
    if (frame.mode === "snapshot" || this.last === undefined) this.last = frame.pos;
    this.#members = byKey(frame.members, "participation");
    this.locks = byKey(frame.locks, "resource");
    for (const motion of [...(frame.cursors ?? [])].reverse()) this.#motion(motion);
    this.#peopleChanged();
    this.emit("joined", frame);
    this.emit("locks", this.locks);
  }

  #event(frame) {
    if (this.last === undefined || frame.pos <= this.last || this.#rejoining) return;
    if (frame.prev > this.last && !this.replay) return void this.rejoin();
    this.last = frame.pos;
    if (frame.op === "skip") return;
    if (frame.type.startsWith("lock.")) this.#locked(frame);
    this.emit("event", frame);
  }

  #hold(resource, { lock, pos = this.last }) {
    this.held.set(resource, { ...lock, pos });
    return lock;
  }

  #locked({ type, pos, data }) {
    const { resource } = data;
    const known = this.locks.get(resource);
    if (type === "lock.acquired" || type === "lock.stolen") this.locks.set(resource, data);
    else if (type !== "lock.renewed") this.locks.delete(resource);
    else if (known) this.locks.set(resource, { ...known, expires: data.expires });
    // what happened before one got it is no loss
    if (ENDS.has(type) && pos > this.held.get(resource)?.pos) this.#lose(resource, data);
    this.emit("locks", this.locks);
  }

  #lose(resource, detail) {
    if (this.held.delete(resource)) this.emit("lost", { resource, ...detail });
  }

  #motion({ type, by, data }) {
    if (by === this.#me() && !this.replay) return; // one knows what one does
    if (type === "motion.cursor") this.#cursors.move(by, data.at);
    else if (type === "motion.typing" && data.on) this.#typing.set(by, { where: data.where });
    else if (type === "motion.typing") this.#typing.drop(by);
    else if (type === "motion.selected") {
      if (data.selection === null) this.selections.delete(by);
      else this.selections.set(by, data.selection);
      this.emit("selections", this.selections);
    }
  }

  #presence({ join = [], update = [], away = [], leave = [] }) {
    for (const member of join) this.#members.set(member.participation, member);
    for (const member of update) this.#change(member.participation, member);
    for (const participation of away) this.#change(participation, { dropped: true });
    for (const participation of leave) this.#members.delete(participation);
    this.#peopleChanged();
  }

  #change(participation, change) {
    const known = this.#members.get(participation);
    if (known) this.#members.set(participation, { ...known, ...change });
  }

  /** What somebody did goes with them. */
  #peopleChanged() {
    this.#people = undefined;
    const here = new Set(this.members.map(({ user }) => user));
    const gone = ({ user }) => !here.has(user);
    for (const { user } of this.cursors.filter(gone)) this.#cursors.drop(user);
    for (const { user } of this.typing.filter(gone)) this.#typing.drop(user);
    for (const user of this.selections.keys()) if (!here.has(user)) this.selections.delete(user);
    this.emit("members", this.members);
  }

  #ask(op, fields) {
    return this.#link.ask({ op, room: this.name, ...fields });
  }

  #tell(op, fields) {
    this.#link.tell({ op, room: this.name, ...fields });
  }
}

function people(members) {
  const found = new Map();
  for (const member of members)
    found.set(member.user, [...(found.get(member.user) ?? []), member]);
  return [...found].map(([user, connections]) => {
    const { status, location, dropped = false } = [...connections].sort((a, b) => rank(a) - rank(b))[0];
    return { user, status, location, away: dropped, connections };
  });
}

const byKey = (all = [], key) => new Map(all.map((one) => [one[key], one]));
