/** People of the demo workspace at work, for who is of it: its password is no secret. */

import { connect } from "../../client/formula.js";
import { Icon, asked, failed, html, names, session, useDemo, useEffect, useHere, useRef, useState, useStore } from "./heard.js";

const MOST = 3; // people
const STATUSES = ["todo", "in_progress", "review", "done"];
const REMARKS = ["Fine with me.", "Can we talk tomorrow?", "The numbers look better now."];

export function Simulate() {
  const model = useHere();
  const members = useStore(model.members);
  const { people, password } = useDemo();
  const [on, setOn] = useState(false);
  const left = useRef();
  const stop = () => left.current?.abort();
  useEffect(() => stop, []);
  const mine = session.value.me?.email;
  const here = new Set(members.filter(({ role }) => role !== "viewer").map(({ name }) => name));
  const able = people.filter(({ name, email }) => here.has(name) && email !== mine);
  if (!people.some(({ email }) => email === mine) || !able.length) return null;
  const turn = () => {
    setOn(!on);
    if (on) return stop();
    left.current = new AbortController();
    for (const { email } of able.slice(0, MOST)) work({ email, password }, model, left.current.signal).catch(failed);
  };
  return html`<button class=${names("simulate", on && "on")} aria-pressed=${on} onClick=${turn}>
    <${Icon} name="people" />${on ? "Stop simulation" : "Simulate people"}
  </button>`;
}

/** Somebody's work until they have `left`. */
async function work(login, model, left) {
  let token;
  const signIn = async () => (token = (await asked("POST", "/auth/login", { body: login })).access_token);
  await signIn();
  const formula = connect({ token: (stale) => (stale ? signIn() : token), device: "simulation" });
  const leave = () => {
    formula.close();
    asked("POST", "/auth/logout", { token }).catch(() => {});
  };
  if (left.aborted) return leave();
  left.addEventListener("abort", leave);
  const room = await formula.join(`project:${model.id}`);
  const ask = (method, path, body, lock) => asked(method, path, { body, lock, token });
  while (!left.aborted) {
    await pause(400 + Math.random() * 1_200);
    if (!left.aborted) await pick(HABITS)(room, pick([...model.tasks.value.values()]), ask).catch(() => {});
  }
}

/** Along a line, as a hand does. */
async function point(room) {
  const from = room.pointed ?? { x: 800, y: 200 };
  const to = { x: 60 + Math.random() * 1_450, y: 60 + Math.random() * 420 };
  for (let step = 1; step <= 14; step++) {
    const part = (1 - Math.cos((Math.PI * step) / 14)) / 2;
    const between = (axis) => Math.round(from[axis] + (to[axis] - from[axis]) * part);
    room.cursor({ x: between("x"), y: between("y"), on: "board" });
    await pause(55);
  }
  room.pointed = to;
}

async function look(room, task) {
  room.select({ task: task.id });
}

async function write(room, task, ask) {
  const resource = `task:${task.id}/description`;
  look(room, task);
  const { token } = await room.lock(resource);
  await type(room, resource, 2_500);
  const description = `${task.description}\n${pick(REMARKS)}`.trim().slice(-400);
  await ask("PATCH", `/tasks/${task.id}`, { description }, `description=${token}`).catch(() => {});
  await room.unlock(resource, token);
}

const move = (_, task, ask) => ask("PUT", `/tasks/${task.id}/status`, { status: pick(STATUSES) });

async function comment(room, task, ask) {
  await type(room, `task:${task.id}/comment`, 1_800);
  await ask("POST", `/tasks/${task.id}/comments`, { body: pick(REMARKS) });
}

async function type(room, where, milliseconds) {
  room.type(where);
  await pause(milliseconds);
  room.type(where, false);
}

const HABITS = [point, point, point, look, write, move, comment];
const pick = (all) => all[Math.floor(Math.random() * all.length)];
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
