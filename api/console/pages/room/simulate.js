/** For demonstrations: people of the demo workspace at work, each with a connection of their own.
 *
 * They sign in and do what anybody may, through the same REST and WebSocket as all clients. It is
 * offered only to who is of the demo workspace, whose password is no secret.
 */

import { connect } from "../../client/formula.js";
import { html, names, useEffect, useRef, useState } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { session } from "../../lib/session.js";
import { useStore } from "../../lib/store.js";
import { failed } from "../../lib/toast.js";
import { useHere } from "./heard.js";

const MOST = 3; // people
const STATUSES = ["todo", "in_progress", "review", "done"];
const REMARKS = ["I had a look: fine with me.", "Half of it is done.", "Can we talk about this tomorrow?", "The numbers look better now."];

export function Simulate() {
  const model = useHere();
  const members = useStore(model.members);
  const [demo, setDemo] = useState({ people: [] });
  const [on, setOn] = useState(false);
  const people = useRef([]);
  const stop = () => people.current.splice(0).forEach((one) => one.leave());
  useEffect(() => {
    fetch("/api/v1/auth/demo").then((answer) => answer.ok && answer.json().then(setDemo), () => {});
    return stop;
  }, []);
  const me = session.value.me;
  const here = new Set(members.filter(({ role }) => role !== "viewer").map(({ name }) => name));
  const able = demo.people.filter(({ name, email }) => here.has(name) && email !== me?.email);
  if (!demo.people.some(({ email }) => email === me?.email) || !able.length) return null;
  const turn = () => {
    setOn(!on);
    if (on) return stop();
    people.current = able.slice(0, MOST).map(({ email }) => new Somebody(email, demo.password, model));
    for (const one of people.current) one.work().catch(failed);
  };
  return html`<button class=${names("simulate", on && "on")} aria-pressed=${on} onClick=${turn}>
    <${Icon} name="people" />${on ? "Stop simulation" : "Simulate people"}
  </button>`;
}

/** One person at work until they leave. */
class Somebody {
  #model;
  #login;
  #gone = false;
  #formula;
  #token;

  constructor(email, password, model) {
    this.#model = model;
    this.#login = { email, password };
  }

  async work() {
    await this.#signIn();
    if (this.#gone) return this.leave();
    this.#formula = connect({ token: (stale) => (stale ? this.#signIn() : this.#token), device: "simulation" });
    const room = await this.#formula.join(`project:${this.#model.id}`);
    const habits = [this.#point, this.#point, this.#point, this.#look, this.#write, this.#move, this.#comment];
    while (!this.#gone) {
      await pause(400 + Math.random() * 1_200);
      const habit = habits[Math.floor(Math.random() * habits.length)];
      if (!this.#gone) await habit.call(this, room, pick([...this.#model.tasks.value.values()])).catch(() => {});
    }
  }

  leave() {
    this.#gone = true;
    this.#formula?.close();
    if (this.#token) this.#ask("POST", "/auth/logout").catch(() => {});
    this.#token = undefined;
  }

  async #signIn() {
    const { access_token } = await this.#ask("POST", "/auth/login", this.#login);
    return (this.#token = access_token);
  }

  /** Along a line, as a hand does. */
  async #point(room) {
    const to = { x: 60 + Math.random() * 1_450, y: 60 + Math.random() * 420 };
    const from = (this.at ??= { x: 800, y: 200 });
    for (let step = 1; step <= 14 && !this.#gone; step++) {
      const part = (1 - Math.cos((Math.PI * step) / 14)) / 2;
      room.cursor({ x: Math.round(from.x + (to.x - from.x) * part), y: Math.round(from.y + (to.y - from.y) * part), on: "board" });
      await pause(55);
    }
    this.at = to;
  }

  async #look(room, task) {
    room.select({ task: task.id });
  }

  async #write(room, task) {
    const resource = `task:${task.id}/description`;
    room.select({ task: task.id });
    const { token } = await room.lock(resource);
    room.type(resource);
    await pause(2_500);
    const description = `${task.description}\n${pick(REMARKS)}`.trim().slice(-400);
    await this.#ask("PATCH", `/tasks/${task.id}`, { description }, { "lock-token": `description=${token}` }).catch(() => {});
    room.type(resource, false);
    await room.unlock(resource, token);
  }

  async #move(_, task) {
    await this.#ask("PUT", `/tasks/${task.id}/status`, { status: pick(STATUSES) });
  }

  async #comment(room, task) {
    room.type(`task:${task.id}/comment`);
    await pause(1_800);
    room.type(`task:${task.id}/comment`, false);
    await this.#ask("POST", `/tasks/${task.id}/comments`, { body: pick(REMARKS) });
  }

  async #ask(method, path, body, headers = {}) {
    const options = {
      method,
      headers: { ...headers, ...(body && { "content-type": "application/json" }), ...(this.#token && { authorization: `Bearer ${this.#token}` }) },
      body: body && JSON.stringify(body),
    };
    const response = await fetch(`/api/v1${path}`, options);
    if (!response.ok) throw Object.assign(new Error(), await response.json());
    return response.status === 204 ? undefined : response.json();
  }
}

const pick = (all) => all[Math.floor(Math.random() * all.length)];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
