/** People of the demo workspace at work, each signed in with a connection of their own. Only who is of
 * it may have them: its password is no secret. */

import { connect } from "../../client/formula.js";
import { Icon, asked, failed, html, names, session, useDemo, useEffect, useHere, useRef, useState, useStore } from "./heard.js";

const MOST = 3; // people
const STATUSES = ["todo", "in_progress", "review", "done"];
const REMARKS = ["I had a look: fine with me.", "Half of it is done.", "Can we talk about this tomorrow?", "The numbers look better now."];

export function Simulate() {
  const model = useHere();
  const members = useStore(model.members);
  const { people, password } = useDemo();
  const [on, setOn] = useState(false);
  const working = useRef([]);
  const stop = () => working.current.splice(0).forEach((one) => one.leave());
  useEffect(() => stop, []);
  const mine = session.value.me?.email;
  const here = new Set(members.filter(({ role }) => role !== "viewer").map(({ name }) => name));
  const able = people.filter(({ name, email }) => here.has(name) && email !== mine);
  if (!people.some(({ email }) => email === mine) || !able.length) return null;
  const turn = () => {
    setOn(!on);
    if (on) return stop();
    working.current = able.slice(0, MOST).map(({ email }) => new Somebody({ email, password }, model));
    for (const one of working.current) one.work().catch(failed);
  };
  return html`<button class=${names("simulate", on && "on")} aria-pressed=${on} onClick=${turn}>
    <${Icon} name="people" />${on ? "Stop simulation" : "Simulate people"}
  </button>`;
}

/** One person at work until they leave. */
class Somebody {
  #gone = false;
  #at = { x: 800, y: 200 };
  #formula;
  #token;

  constructor(login, model) {
    this.login = login;
    this.model = model;
  }

  async work() {
    await this.#signIn();
    if (this.#gone) return this.leave();
    this.#formula = connect({ token: (stale) => (stale ? this.#signIn() : this.#token), device: "simulation" });
    const room = await this.#formula.join(`project:${this.model.id}`);
    const habits = [this.#point, this.#point, this.#point, this.#look, this.#write, this.#move, this.#comment];
    while (!this.#gone) {
      await pause(400 + Math.random() * 1_200);
      if (!this.#gone) await pick(habits).call(this, room, pick([...this.model.tasks.value.values()])).catch(() => {});
    }
  }

  leave() {
    this.#gone = true;
    this.#formula?.close();
    if (this.#token) this.#ask("POST", "/auth/logout").catch(() => {});
    this.#token = undefined;
  }

  async #signIn() {
    const { access_token } = await asked("POST", "/auth/login", { body: this.login });
    return (this.#token = access_token);
  }

  #ask(method, path, body, lock) {
    return asked(method, path, { body, lock, token: this.#token });
  }

  /** Along a line, as a hand does. */
  async #point(room) {
    const from = this.#at;
    const to = { x: 60 + Math.random() * 1_450, y: 60 + Math.random() * 420 };
    for (let step = 1; step <= 14 && !this.#gone; step++) {
      const part = (1 - Math.cos((Math.PI * step) / 14)) / 2;
      const between = (axis) => Math.round(from[axis] + (to[axis] - from[axis]) * part);
      room.cursor({ x: between("x"), y: between("y"), on: "board" });
      await pause(55);
    }
    this.#at = to;
  }

  async #look(room, task) {
    room.select({ task: task.id });
  }

  async #write(room, task) {
    const resource = `task:${task.id}/description`;
    room.select({ task: task.id });
    const { token } = await room.lock(resource);
    await type(room, resource, 2_500);
    const description = `${task.description}\n${pick(REMARKS)}`.trim().slice(-400);
    await this.#ask("PATCH", `/tasks/${task.id}`, { description }, `description=${token}`).catch(() => {});
    await room.unlock(resource, token);
  }

  #move(_, task) {
    return this.#ask("PUT", `/tasks/${task.id}/status`, { status: pick(STATUSES) });
  }

  async #comment(room, task) {
    await type(room, `task:${task.id}/comment`, 1_800);
    await this.#ask("POST", `/tasks/${task.id}/comments`, { body: pick(REMARKS) });
  }
}

const pick = (all) => all[Math.floor(Math.random() * all.length)];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function type(room, where, milliseconds) {
  room.type(where);
  await pause(milliseconds);
  room.type(where, false);
}
