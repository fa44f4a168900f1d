/** A project as it was at a moment, and as it went on while it is played. */

import { Model, keyed, told } from "../room/model.js";
import { Store, audit, failed, get, here, leave, live } from "./words.js";

const MOST = 1_000; // tasks
const QUIET = 2_000; // milliseconds without anything: nobody waits for what comes next

export class Past extends Model {
  moment = new Store(undefined); // {position, at}
  playing = new Store(false);
  speed = new Store(4);
  first = 0; // the position of its first event
  next = null; // and of the first event after the moment
  #wanted;
  #replay;
  #quiet;

  link(_, id) {
    return audit({ subject: id });
  }

  event = (event) => here({ event });

  async readMembers() {} // who is in it now is no news of then

  /** That moment; of several that are asked for in a hurry, the last. */
  async show(at = "") {
    const looking = this.#wanted !== undefined;
    this.#wanted = at;
    if (looking) return;
    try {
      for (let shown; shown !== this.#wanted; ) await this.#look((shown = this.#wanted));
    } finally {
      this.#wanted = undefined;
    }
  }

  /** At the end: from the beginning on. */
  async play() {
    if (this.next === null) await this.show(this.first);
    this.playing.set(true);
    const { position: from } = this.moment.value;
    const replay = (this.#replay = await live().replay(this.id, { from, speed: this.speed.value }));
    if (!this.playing.value) return this.close();
    for (const name of ["cursors", "typing", "members", "event"]) replay.on(name, () => this.#heard());
    for (const name of ["ended", "left"]) replay.on(name, () => this.pause());
    replay.on("event", (event) => {
      this.moment.set({ position: event.pos, at: event.at });
      this.apply(event);
    });
    this.room.set(replay);
    this.#heard();
  }

  /** What REST knows of that moment is shown then. */
  pause() {
    if (!this.playing.value) return;
    this.close();
    this.show(this.moment.value.position).catch(failed);
  }

  async pace(speed) {
    this.speed.set(speed);
    await this.#replay?.speed(speed);
  }

  close() {
    this.playing.set(false);
    clearTimeout(this.#quiet);
    const replay = this.#replay;
    this.#replay = undefined;
    if (replay) leave(replay.name);
  }

  #heard() {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#replay?.skip().catch(() => {});
      this.#heard();
    }, QUIET);
  }

  async #look(at) {
    const query = { project: this.id, limit: 200 };
    const then = await get("/replay", { ...query, at });
    const { moment, tasks, next } = then;
    for (let cursor = tasks.next; cursor && tasks.items.length < MOST; ) {
      const more = (await get("/replay", { ...query, at: moment.position, cursor })).tasks;
      tasks.items.push(...more.items);
      cursor = more.next;
    }
    if (this.playing.value) return; // it has gone on
    this.project.set(then.project);
    this.tasks.set(keyed(tasks.items));
    this.documents.set(keyed(then.documents));
    this.feed.set(then.recent.map(told).reverse());
    this.room.set(still(then));
    this.next = next;
    this.moment.set(moment);
  }
}

/** What REST tells of who was there, as a room has it. */
function still({ members, locks, cursors }) {
  return {
    replay: {},
    members: [...keyed(members.map(({ user_id: user, status }) => ({ user, status, away: false })), "user").values()],
    count: members.length,
    locks: keyed(locks, "resource"),
    cursors: (cursors ?? []).filter(({ type }) => type === "cursor").map((one) => ({ ...one, at: one.data })),
    on: () => () => {},
  };
}
