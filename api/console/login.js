/** The way in; where there is a demo workspace, one click for each of its people. */

import { Avatar, Mark, html, instead, login, said, session, useDemo, useState, useStore, useTitle } from "./lib/page.js";
import { ThemeSwitch } from "./lib/state.js";

const QUIET = new Set(["auth.missing", "client.closed"]); // one signed out, or never was in

export function LogIn() {
  const { why } = useStore(session);
  const [wrong, setWrong] = useState(why && !QUIET.has(why) ? said(why) : "");
  const [busy, setBusy] = useState(false);
  const demo = useDemo();
  useTitle("Sign in");
  const enter = async (email, password) => {
    setBusy(true);
    await login(email, password).catch((error) => {
      setWrong(said(error));
      setBusy(false);
    });
  };
  const person = ({ email, name, role }) => html`<li key=${email}>
    <button disabled=${busy} onClick=${() => enter(email, demo.password)}>
      <${Avatar} id=${email} name=${name} /><span>${name}<small>${role}</small></span>
    </button>
  </li>`;
  return html`<main class="login">
    <div class="login-theme"><${ThemeSwitch} /></div>
    <h1><${Mark} large />Formula</h1>
    <p class="muted">Projects, tasks and documents that people work on at the same time.</p>
    <form onSubmit=${instead(({ elements: { email, password } }) => enter(email.value.trim(), password.value))}>
      <label>E-mail<input name="email" type="email" autocomplete="username" required /></label>
      <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <p class="wrong" role="alert">${wrong}</p>
      <button class="primary" disabled=${busy}>Sign in</button>
    </form>
    ${demo.people.length > 0 &&
    html`<section class="demo" aria-labelledby="demo-title">
      <h2 id="demo-title">Look around in the demo as …</h2>
      <ul>${demo.people.map(person)}</ul>
      <p class="muted">Open a second window as somebody else to see both at once.</p>
    </section>`}
  </main>`;
}
