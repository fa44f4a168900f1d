/** Who is signed in here, and the tokens that say so.
 *
 * The access token is in memory alone. The refresh token is too, while a page is looked at: it
 * lies in sessionStorage only between two pages (a reload) and while the tab is hidden (it may be
 * discarded). So it ends with the tab, never lies on the disk for all tabs, and a second tab made
 * from this one has no copy: each refresh token works once, and two copies would end the log-in.
 * It also means that each tab can be somebody else. A cookie would be sent by other sites' forms.
 */

import { Store } from "./store.js";

const KEPT = "formula.refresh";
const DEVICES = "formula.devices"; // proofs that one has signed in here before, by address
const EARLY = 30_000; // milliseconds before its end in which a token is renewed

/** `state`: starting, out or in. `can(action)`: by the table of access, outside of any project.
 * @type {Store<{state: string, me?: any, can: (action: string) => boolean, why?: string}>} */
export const session = new Store({ state: "starting", can: () => false });

let refreshToken;
let access;
let ends = 0;
let renewing; // the one request under way

/** Sign in again with what the page before this one left. */
export async function start() {
  addEventListener("pagehide", keep);
  document.addEventListener("visibilitychange", () => (document.hidden ? keep() : take()));
  take();
  if (!refreshToken) return out();
  try {
    await renew();
  } catch (error) {
    if (session.value.state === "starting") out(error.code ?? "client.offline");
  }
}

export async function login(email, password) {
  const devices = read(DEVICES);
  const device = devices[email];
  const said = { email, password, ...(device && { device }) };
  const answer = await ask("login", said);
  localStorage.setItem(DEVICES, JSON.stringify({ ...devices, [email]: answer.device }));
  await enter(answer);
}

export async function logout() {
  const headers = { authorization: `Bearer ${access}` };
  out();
  await fetch("/api/v1/auth/logout", { method: "POST", headers }).catch(() => {});
}

/** An access token that holds; "" for who is signed out. `stale`: one that was not taken.
 * @param {string} [stale] */
export async function token(stale) {
  if (!refreshToken) return "";
  if (!access || access === stale || Date.now() > ends - EARLY) await renew();
  return access ?? "";
}

/** @param {string} [why] the code of what ended it, if one did not ask for it */
export function out(why) {
  refreshToken = access = undefined;
  sessionStorage.removeItem(KEPT);
  session.set({ state: "out", can: () => false, why });
}

async function renew() {
  renewing ??= ask("refresh", { refresh_token: refreshToken }).then(enter).finally(() => (renewing = undefined));
  try {
    await renewing;
  } catch (error) {
    if (error.status === 401) out(error.code);
    throw error;
  }
}

async function enter(answer) {
  access = answer.access_token;
  refreshToken = answer.refresh_token;
  ends = Date.now() + answer.expires_in * 1_000;
  if (document.hidden) keep();
  const { state, me } = session.value;
  if (state === "in" && me.id === answer.user.id && me.role === answer.user.role) return;
  const rights = await asked("/api/v1/auth/rights", { headers: { authorization: `Bearer ${access}` } });
  const actions = new Set(rights.actions);
  session.set({ state: "in", me: answer.user, can: (action) => actions.has(action) });
}

const ask = (path, body) =>
  asked(`/api/v1/auth/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function asked(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.code), answer);
}

function keep() {
  if (refreshToken) sessionStorage.setItem(KEPT, refreshToken);
}

function take() {
  refreshToken ??= sessionStorage.getItem(KEPT) ?? undefined;
  sessionStorage.removeItem(KEPT);
}

function read(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "{}");
  } catch {
    return {};
  }
}
