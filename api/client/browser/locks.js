/** The locks of a room: who holds what, those of one's own, and those that one waits for. */

import { FormulaError } from "./link.js";

const GRANTS = new Set(["lock.acquired", "lock.stolen", "lock.granted"]);
const ENDS = new Set(["lock.expired", "lock.released"]);

export class Locks {
  all = new Map(); // by resource
  held = new Map(); // one's own of them, with their fencing tokens
  #waiting = new Map(); // by resource: the queues one is in
  #asked = new Map(); // by resource: what was asked for last, and whether it is still wanted
  #room;
  #ask;

  constructor(room, ask) {
    this.#room = room;
    this.#ask = ask;
  }

  async lock(resource, { ttl, keep, wait } = {}) {
    const asked = { wanted: true };
    this.#asked.set(resource, asked);
    const ack = await this.#ask("lock", { resource, ttl, keep, wait }).catch((error) => {
      // it was queued, its answer lost, and its place with the participation that dropped
      if (wait && error.code === "lock.lost") return undefined;
      throw error;
    });
    // unwaited before the answer came, which gives back what it brought
    if (!asked.wanted) throw new FormulaError("lock.unwaited", { resource });
    if (!ack) return this.lock(resource, { ttl, keep, wait });
    this.#asked.delete(resource);
    return ack.lock ? this.#hold(resource, ack) : this.#wait(resource, { ttl, keep, wait });
  }

  async unlock(resource, token = this.held.get(resource)?.token ?? 0) {
    this.held.delete(resource);
    return this.#ask("unlock", { resource, token });
  }

  async renew(resource, token = this.held.get(resource)?.token ?? 0) {
    return this.#hold(resource, await this.#ask("renew", { resource, token }));
  }

  async steal(resource, reason, { ttl } = {}) {
    return this.#hold(resource, await this.#ask("steal", { resource, reason, ttl }));
  }

  async unwait(resource) {
    const asked = this.#asked.get(resource);
    if (asked) asked.wanted = false;
    this.#refuse(resource, "lock.unwaited");
    return this.#ask("unwait", { resource });
  }

  /** Locks as they are now. Under a new participation the server renews, and keeps in its queues,
   * only what it is told of anew. */
  joined(locks, returned) {
    this.all = new Map(locks.map((lock) => [lock.resource, lock]));
    if (!returned) return;
    for (const [resource, { token }] of this.held)
      this.renew(resource, token).catch((error) => this.#lose(resource, { error }));
    for (const [resource, { options, resolve, reject }] of this.#waiting) {
      this.#waiting.delete(resource);
      this.lock(resource, options).then(resolve, reject);
    }
  }

  hear({ type, pos, data }) {
    const { resource, participation } = data;
    const mine = participation === this.#room.joined.participation;
    // what happened before one got it is no loss
    const held = pos > this.held.get(resource)?.pos;
    if (held && (ENDS.has(type) || (GRANTS.has(type) && !mine))) this.#lose(resource, data);
    if (GRANTS.has(type)) this.all.set(resource, data);
    if (ENDS.has(type)) this.all.delete(resource);
    if (type === "lock.renewed" && this.all.has(resource))
      this.all.set(resource, { ...this.all.get(resource), expires: data.expires });
    if (type === "lock.granted") this.granted(data, pos);
    if (mine && type === "lock.unqueued" && data.reason === "denied")
      this.#refuse(resource, "access.denied");
  }

  /** What one waited for; one's own room tells of it as well, and may be the first. */
  granted(lock, pos) {
    const { resource, participation } = lock;
    if (participation === this.#room.joined?.participation)
      this.#waiting.get(resource)?.resolve(this.#hold(resource, { lock, pos }));
  }

  end() {
    for (const resource of this.#waiting.keys()) this.#refuse(resource, "room.left");
  }

  /** Until the event that grants it; it may have come before the answer. */
  #wait(resource, options) {
    const lock = this.all.get(resource);
    if (lock?.token && lock.participation === this.#room.joined.participation)
      return this.#hold(resource, { lock });
    return new Promise((resolve, reject) => {
      this.#waiting.set(resource, { options, resolve, reject });
    });
  }

  #hold(resource, { lock, pos = this.#room.last }) {
    this.#waiting.delete(resource);
    this.held.set(resource, { ...lock, pos });
    return lock;
  }

  #lose(resource, detail) {
    if (this.held.delete(resource)) this.#room.emit("lost", { resource, ...detail });
  }

  #refuse(resource, code) {
    this.#waiting.get(resource)?.reject(new FormulaError(code, { resource }));
    this.#waiting.delete(resource);
  }
}
