/** What is around every page. */

import { Asking, Avatar, Icon, Loaded, Mark, Toasts, Waits, failed, href, html, instead, links, logout, route, said, session, useErrorBoundary, useLayoutEffect, useRef, useStore } from "./lib/page.js";
import { ConnectionState, ThemeSwitch } from "./lib/state.js";
import { LogIn } from "./login.js";
import { PAGES } from "./pages.js";

const HOME = { analyst: "analyst", auditor: "time", operator: "operations" };

export function Shell() {
  const { state } = useStore(session);
  if (state === "starting") return html`<${Waits} text="Signing in …" />`;
  return html`${state === "out" ? html`<${LogIn} />` : html`<${SignedIn} />`}<${Toasts} />`;
}

function SignedIn() {
  const { can, me } = useStore(session);
  const { page: path, parts, query } = useStore(route);
  const pages = PAGES.filter(({ may }) => can(may));
  const page = pages.find((one) => one.path === (path || HOME[me.role] || "projects"));
  return html`
    <a class="skip" href="#main" onClick=${instead(toMain)}>Skip to the content</a>
    <header class="side">
      <a class="brand" href="#/"><${Mark} />Formula</a>
      <nav aria-label="Pages">${links(pages.map((one) => [href(one.path), one.title, one === page, one.icon]))}</nav>
      <div class="side-foot">
        <${ConnectionState} />
        <${Account} me=${me} />
      </div>
    </header>
    <main id="main" tabindex="-1">
      ${page
        ? html`<${Page} key=${page.path} page=${page} parts=${parts} query=${query} />`
        : html`<p class="empty">${said("page.not_found")}</p>`}
    </main>
    <${Asking} />
  `;
}

function Page({ page, parts, query }) {
  const [error, forget] = useErrorBoundary(failed);
  useFocusAfterMoves(`${page.path}/${parts[0] ?? ""}`);
  if (error)
    return html`<div class="empty">
      <p>This page has failed.</p>
      <button onClick=${forget}>Try again</button>
    </div>`;
  return html`<${Loaded} load=${page.load} title=${page.title} parts=${parts} query=${query} />`;
}

/** Who uses a keyboard or hears the page goes on where the new content begins. */
function useFocusAfterMoves(where) {
  const moved = useRef(false);
  useLayoutEffect(() => {
    if (moved.current) toMain();
    moved.current = true;
  }, [where]);
}

const Account = ({ me }) => html`<div class="account">
  <${Avatar} id=${me.id} name=${me.name} />
  <span class="account-name"><b>${me.name}</b><small>${me.role}</small></span>
  <${ThemeSwitch} />
  <button class="plain" title="Sign out" aria-label="Sign out" onClick=${logout}><${Icon} name="out" /></button>
</div>`;

const toMain = () => document.getElementById("main")?.focus({ preventScroll: true });
