/** A room as its reader sees it: its events in order, none twice, none missing, and who is there. */

import { Emitter } from "./emitter.js";
import { Locks } from "./locks.js";
import { Cursors, Marks, Paced } from "./motion.js";

const CURSOR_EVERY = 50; // milliseconds between two of one's own cursor frames
const TYPING_EVERY = 2_500; // and between two that say the same of one's typing
const SEEN_EVERY = 1_000; // and of what one has seen

// The status of a person with several connections is that of the most present one.
const PRESENCE = { online: 0, away: 2 };
const rank = (member) => (member.dropped ? 3 : (PRESENCE[member.status] ?? 1));

export class Room extends Emitter {
  name;
  last; // the position of the newest event applied; undefined: not joined yet
  joined; // the newest `joined` frame
  receipts = new Map(); // up to where each person has seen the room
  selections = new Map(); // by participation
  #members = new Map(); // by participation
  #people; // the same by user, made when it is asked for
  #own = new Set(); // the participations one has had here: another one after every drop
  #link;
  #count; // of members, where they are too many to list
  #rejoining = false;
  #locks = new Locks(this, (op, fields) => this.#ask(op, fields));
  #cursors = new Cursors(() => this.emit("cursors", this.cursors));
  #typing = new Marks(() => this.emit("typing", this.typing));
  #cursor = new Paced((at) => this.#tell("cursor", { at }), CURSOR_EVERY);
  #saw = new Paced((pos) => this.#tell("seen", { pos }), SEEN_EVERY);
  #typed = {}; // the newest mark of one's own, and when it was sent

  constructor(name, link, location = "") {
    super();
    this.name = name;
    this.location = location;
    this.#link = link;
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

  /** Of connections here: those of the members, or more than are listed. */
  get count() {
    return this.#count ?? this.#members.size;
  }

  get locks() {
    return this.#locks.all;
  }

  get held() {
    return this.#locks.held;
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
  lock(resource, options) {
    return this.#locks.lock(resource, options);
  }

  unlock(resource, token) {
    return this.#locks.unlock(resource, token);
  }

  renew(resource, token) {
    return this.#locks.renew(resource, token);
  }

  steal(resource, reason, options) {
    return this.#locks.steal(resource, reason, options);
  }

  unwait(resource) {
    return this.#locks.unwait(resource);
  }

  /** That one has seen the room, up to a position. */
  seen(pos = this.last) {
    this.#saw.push(pos);
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

  skip() {
    return this.act("skip");
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

  /** Over: nothing more is heard. */
  end(why) {
    this.#cursors.clear();
    this.#typing.clear();
    this.#cursor.stop();
    this.#saw.stop();
    this.#locks.end();
    this.emit("left", { room: this.name, why });
  }

  #join(frame) {
    const returned = this.joined && this.joined.participation !== frame.participation;
    this.joined = frame;
    this.#own.add(frame.participation);
    this.#rejoining = false;
    if (frame.mode === "snapshot" || this.last === undefined) this.last = frame.pos;
    this.#members = byKey(frame.members, "participation");
    this.#count = frame.count;
    this.#locks.joined(frame.locks ?? [], returned);
    this.#receive(frame.receipts);
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
    if (frame.type.startsWith("lock.")) {
      this.#locks.hear(frame);
      this.emit("locks", this.locks);
    }
    this.emit("event", frame);
  }

  #motion({ type, by: user, participation, data }) {
    if (this.#own.has(participation)) return; // one knows what one does
    if (type === "motion.cursor") this.#cursors.move(participation, user, data.at);
    else if (type === "motion.typing" && data.on)
      this.#typing.set(participation, { user, where: data.where });
    else if (type === "motion.typing") this.#typing.drop(participation);
    else if (type === "motion.selected") {
      const { selection } = data;
      if (selection === null) this.selections.delete(participation);
      else this.selections.set(participation, { user, selection });
      this.emit("selections", this.selections);
    }
  }

  #presence({ join = [], update = [], away = [], leave = [], seen = [], count }) {
    this.#count = count;
    if (count !== undefined) this.#members.clear();
    for (const member of join) this.#members.set(member.participation, member);
    for (const member of update) this.#change(member.participation, member);
    for (const participation of away) this.#change(participation, { dropped: true });
    for (const participation of leave) this.#members.delete(participation);
    this.#receive(seen);
    this.#peopleChanged();
  }

  /** A lock that one waited for, as one's own room tells it. */
  granted({ data, pos }) {
    this.#locks.granted(data, pos);
  }

  #change(participation, change) {
    const known = this.#members.get(participation);
    if (known) this.#members.set(participation, { ...known, ...change });
  }

  #peopleChanged() {
    this.#people = undefined;
    if (this.#count === undefined) this.#forget();
    this.emit("members", this.members);
  }

  /** What a connection did goes with it. */
  #forget() {
    const gone = (participation) => !this.#members.has(participation);
    const moved = [...this.cursors, ...this.typing].map(({ participation }) => participation);
    for (const participation of moved.filter(gone)) {
      this.#cursors.drop(participation);
      this.#typing.drop(participation);
    }
    const selected = [...this.selections.keys()].filter(gone);
    for (const participation of selected) this.selections.delete(participation);
    if (selected.length) this.emit("selections", this.selections);
  }

  #receive(receipts = []) {
    for (const { user, pos } of receipts) this.receipts.set(user, pos);
    if (receipts.length) this.emit("receipts", this.receipts);
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
