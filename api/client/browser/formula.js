/** Formula in a browser: live rooms that miss nothing. Types and their meaning: formula.d.ts. */

import { Emitter } from "./emitter.js";
import { FormulaError, Link } from "./link.js";
import { Room } from "./room.js";

export { FormulaError, Room };

const PATH = "/api/v1/realtime/ws";

export function connect(options) {
  return new Formula(options);
}

export class Formula extends Emitter {
  rooms = new Map(); // by name
  welcome; // the newest `welcome` frame
  #link;
  #device;
  #auto;
  #status; // what one last said, to be said again after a drop
  #resuming = []; // rooms of the hello, in the order of their answers
  #missing = new Set(); // those of them that are not joined yet
  #told; // the state and queue that listeners know of

  constructor({ url = here(), token, device = "browser", auto = false }) {
    super();
    this.#device = device;
    this.#auto = auto;
    this.#link = new Link(url, token, {
      greet: (token) => this.#greet(token),
      hear: (frame) => this.#hear(frame),
      changed: (error) => this.#changed(error),
    });
    this.#link.open();
  }

  get state() {
    return this.#link.state;
  }

  /** How many requests wait for their answer. */
  get queued() {
    return this.#link.queued;
  }

  get me() {
    return this.welcome?.user;
  }

  /** The room of one's own that the server opens for everybody: notifications, one's jobs. */
  get own() {
    return this.rooms.get(`user:${this.me}`);
  }

  /** The room, joined: as it is now, then what happens. The same room twice is the same object. */
  join(name, { location = "" } = {}) {
    const known = this.rooms.get(name);
    if (known) return known.entered;
    const room = this.#open(name, location);
    const entering = this.#link.ask({ op: "join", room: name, location });
    room.entered = entering.then(
      () => room,
      (error) => {
        this.rooms.delete(name);
        throw error;
      },
    );
    return room.entered;
  }

  async leave(name) {
    this.#close(this.rooms.get(name), "said");
    const left = this.#link.ask({ op: "leave", room: name });
    await left.catch((error) => {
      if (error.code !== "room.not_joined") throw error;
    });
  }

  /** A project's past, as a room in which it happens again. It ends with the connection. */
  async replay(project, { from, to, speed } = {}) {
    const joined = await this.#link.ask({ op: "replay", project, from, to, speed });
    return this.rooms.get(joined.room);
  }

  /** One status for the person, seen in all rooms of this connection. */
  status(status, location) {
    this.#status = { op: "status", status, location };
    return this.#link.ask(this.#status);
  }

  close() {
    this.#link.close();
  }

  #greet(token) {
    const rooms = [...this.rooms.values()].filter((room) => this.#returns(room));
    this.#resuming = rooms.map((room) => room.name);
    this.#missing = new Set(this.#resuming);
    return {
      op: "hello",
      token,
      device: this.#device,
      auto: this.#auto,
      epoch: this.welcome?.epoch,
      resume: rooms.map(({ name, last, location }) => ({ room: name, after: last, location })),
    };
  }

  /** One's own room is joined by the server, a room not joined yet by its request. */
  #returns(room) {
    return room.last !== undefined && room !== this.own;
  }

  #hear(frame) {
    switch (frame.op) {
      case "welcome":
        return this.#welcomed(frame);
      case "joined":
        return this.#joined(frame);
      case "err":
        return this.#refused(frame);
      case "left":
        this.#close(this.rooms.get(frame.room), frame.why);
        return this.#resumed(frame.room);
      default:
        this.rooms.get(frame.room)?.hear(frame);
        if (frame.type === "lock.granted" && frame.room === this.own?.name)
          for (const room of this.rooms.values()) room.granted(frame);
    }
  }

  #welcomed(frame) {
    const restored = this.welcome && this.welcome.epoch !== frame.epoch;
    this.welcome = frame;
    // positions of another epoch mean nothing
    if (restored) for (const room of this.rooms.values()) room.last = undefined;
    this.#goOn();
  }

  #joined(frame) {
    const asked = this.#resuming.indexOf(frame.room);
    const opened = frame.replay || (asked < 0 && !frame.re); // by the server
    const room = this.rooms.get(frame.room) ?? (opened && this.#found(frame));
    if (opened && !frame.replay && room.last !== undefined) return void room.rejoin();
    if (room) room.hear(frame); // else it was left before it was joined
    if (asked >= 0) this.#resuming.splice(asked, 1);
    this.#resumed(frame.room);
  }

  #found(frame) {
    const room = this.#open(frame.room);
    room.entered = Promise.resolve(room);
    this.emit("room", room);
    return room;
  }

  /** Without an id it is about the room of the hello whose turn it was, or about motion. */
  #refused(frame) {
    if (frame.re) return;
    if (!this.#resuming.length)
      return this.emit("refused", new FormulaError(frame.code, frame.detail, frame.retry_after));
    const name = this.#resuming.shift();
    const room = this.rooms.get(name);
    if (frame.retry_after !== undefined) return void room?.rejoin();
    if (room) this.#close(room, frame.code);
    this.#resumed(name);
  }

  #resumed(name) {
    this.#missing.delete(name);
    if (this.state !== "live") this.#goOn();
  }

  #goOn() {
    if (!this.#missing.size) this.#link.ready();
  }

  #open(name, location = "") {
    const room = new Room(name, this.#link, location);
    room.on("refused", (error) => {
      this.#close(room, error.code);
      this.#resumed(name);
    });
    this.rooms.set(name, room);
    return room;
  }

  #close(room, why) {
    if (room && this.rooms.delete(room.name)) room.end(why);
  }

  /** `error`: why it is offline, or over. */
  #changed(error) {
    const { state, queued } = this;
    const known = this.#told ?? {};
    if (known.state === state && known.queued === queued) return;
    this.#told = { state, queued, ...(error && { error }) };
    if (state !== known.state) this.#turned(known.state, state);
    this.emit("state", this.#told);
  }

  #turned(before, state) {
    for (const room of this.rooms.values())
      if (state === "closed" || (state === "offline" && room.replay)) this.#close(room, state);
    if (state !== "live" || before !== "resuming") return;
    if (this.#status) this.#link.ask(this.#status).catch(() => {});
  }
}

/** The server that this module came from. */
function here() {
  return new URL(PATH, import.meta.url).href.replace(/^http/, "ws");
}
