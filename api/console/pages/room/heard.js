/** What views of a project share: its model, what its room tells of, the head with who is here. */

import { Avatar, Icon, Tabs, createContext, href, html, myId, useContext, useLayoutEffect, useNames, useState, useStore, useTitle } from "../../lib/page.js";

export * from "../../lib/page.js";

export const Here = createContext(undefined);
export const useHere = () => useContext(Here);

const EMPTY = { members: [], typing: [], cursors: [], locks: new Map(), selections: new Map() };

/** A room's list, such as `members` or `typing`; empty where there is no room. */
export function useHeard(room, name) {
  const [, draw] = useState();
  useLayoutEffect(() => room?.on(name, () => draw({})), [room, name]); // none is missed between
  return room?.[name] ?? EMPTY[name];
}

const MOST_FACES = 6;

export function Head({ back, label, tabs, children }) {
  const { name } = useStore(useHere().project);
  useTitle(name);
  return html`<header class="room-head">
    <div class="room-title">
      <a class="back" href=${href(back)} aria-label="All projects"><${Icon} name="left" /></a>
      <h1>${name}</h1>
    </div>
    <${Tabs} label=${label} all=${tabs} />
    <div class="room-people">${children}</div>
  </header>`;
}

/** Who is here, the most present first. */
export function Present({ room }) {
  const nameOf = useNames();
  const me = myId();
  const people = [...useHeard(room, "members")].sort((a, b) => (a.user === me) - (b.user === me) || a.away - b.away);
  const told = ({ user, status, away }) =>
    `${nameOf(user)}${user === me ? " (you)" : ""}: ${away ? "reconnecting" : (status ?? "online")}`;
  return html`<ul class="faces" aria-label="Here now: ${room.count}">
    ${people.slice(0, MOST_FACES).map((one) => html`<li key=${one.user}><${Avatar} ...${one} id=${one.user} label=${told(one)} /></li>`)}
    ${people.length > MOST_FACES &&
    html`<li class="more" title=${people.slice(MOST_FACES).map(told).join("\n")}>+${people.length - MOST_FACES}</li>`}
  </ul>`;
}
