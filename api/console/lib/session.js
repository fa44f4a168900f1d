/** Who is signed in here, and the tokens that say so.
 *
 * Only during a reload and while the tab is hidden (it may be discarded) the refresh token lies in
 * sessionStorage: a second tab made from this one must have no copy, since each works once.
 * A cookie would be sent by other sites' forms.
 */

import { Store } from "./html.js";
import { asked } from "./http.js";

const KEPT = "formula.refresh";
const DEVICES = "formula.devices"; // proofs that one has signed in here before, by address
const EARLY = 30_000; // milliseconds before its end in which a token is renewed

/** `can(action)`: by the table of access, outside of any project. */
export const session = new Store({ state: "starting", can: () => false });

export const can = (action) => session.value.can(action);

export const myId = () => session.value.me?.id;

let refreshToken;
let access;
let ends = 0;
let renewing; // the one request under way

export async function start() {
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => (document.hidden ? keep() : take()));
  take();
  if (!refreshToken) return out();
  await renew().catch((error) => session.value.state === "starting" && out(error.code));
}

export async function login(email, password) {
  const devices = JSON.parse(localStorage.getItem(DEVICES) ?? "{}");
  const answer = await asked("POST", "/auth/login", { body: { email, password, device: devices[email] } });
  localStorage.setItem(DEVICES, JSON.stringify({ ...devices, [email]: answer.device }));
  await enter(answer);
}

export async function logout() {
  const token = access;
  out();
  await asked("POST", "/auth/logout", { token }).catch(() => {});
}

/** An access token that holds; "" for who is signed out. `stale`: one that was not taken. */
export async function token(stale) {
  if (!refreshToken) return "";
  if (!access || access === stale || Date.now() > ends - EARLY) await renew();
  return access ?? "";
}

export function out(why) {
  refreshToken = access = undefined;
  sessionStorage.removeItem(KEPT);
  session.set({ state: "out", can: () => false, why });
}

async function renew() {
  renewing ??= asked("POST", "/auth/refresh", { body: { refresh_token: refreshToken } }).then(enter).finally(() => (renewing = undefined));
  await renewing.catch((error) => {
    if (error.status === 401) out(error.code);
    throw error;
  });
}

async function enter(answer) {
  access = answer.access_token;
  refreshToken = answer.refresh_token;
  ends = Date.now() + answer.expires_in * 1_000;
  if (document.hidden) keep();
  const { state, me } = session.value;
  if (state === "in" && me.id === answer.user.id && me.role === answer.user.role) return;
  const rights = await asked("GET", "/auth/rights", { token: access });
  const actions = new Set(rights.actions);
  session.set({ state: "in", me: answer.user, can: (action) => actions.has(action) });
}

function keep() {
  if (refreshToken) sessionStorage.setItem(KEPT, refreshToken);
}

function take() {
  refreshToken ??= sessionStorage.getItem(KEPT) ?? undefined;
  sessionStorage.removeItem(KEPT);
}

