/** A project's room: who is here, the board, documents, what happened. */

import { html, useEffect, useMemo, useState } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { live } from "../../lib/live.js";
import { Avatar, useNames } from "../../lib/people.js";
import { href } from "../../lib/route.js";
import { said } from "../../lib/said.js";
import { session } from "../../lib/session.js";
import { useStore } from "../../lib/store.js";
import { styled } from "../../lib/styled.js";
import { failed } from "../../lib/toast.js";
import { Board } from "./board.js";
import { Documents } from "./documents.js";
import { Feed } from "./feed.js";
import { Here, useHeard, useHere } from "./heard.js";
import { Model } from "./model.js";
import { Simulate } from "./simulate.js";
import { TaskPanel } from "./task.js";

await styled(import.meta.url, "room.css");

const MOST_FACES = 6;
const VIEWS = [
  ["board", "Board", "board"],
  ["documents", "Documents", "doc"],
  ["activity", "Activity", "activity"],
];

export function RoomPage({ project, parts: [view = "board", subject] }) {
  const model = useMemo(() => new Model(project), []);
  const [state, setState] = useState("loading");
  useEffect(() => {
    model.open().then(
      () => setState("open"),
      (error) => setState(said(error)),
    );
    return () => model.close();
  }, []);
  const room = useStore(model.room);
  useEffect(() => {
    const chosen = { task: view === "task" ? subject : undefined, document: view === "documents" ? subject : undefined };
    room?.select(subject ? chosen : null);
  }, [room, view, subject]);
  if (state === "loading") return html`<p class="empty" role="status">Opening the room …</p>`;
  if (state !== "open") return html`<p class="empty" role="alert">${state}</p>`;
  return html`<${Here.Provider} value=${model}>
    <div class="room">
      <${Head} project=${project} view=${view} />
      <div class="room-body view-${view}">
        ${view === "documents" && html`<${Documents} chosen=${subject} />`}
        ${(view === "board" || view === "task") && html`<${Board} chosen=${subject} />`}
        ${view === "task" && html`<${TaskPanel} key=${subject} id=${subject} />`}
        ${(view === "board" || view === "activity") && html`<${Feed} />`}
      </div>
    </div>
  <//>`;
}

function Head({ project, view }) {
  const model = useHere();
  const { name } = useStore(model.project);
  const room = useStore(model.room);
  const current = view === "task" ? "board" : view;
  useEffect(() => {
    document.title = `${name} · Formula`;
  }, [name]);
  return html`<header class="room-head">
    <div class="room-title">
      <a class="back" href="#/projects" aria-label="All projects"><${Icon} name="left" /></a>
      <h1>${name}</h1>
    </div>
    <nav class="tabs" aria-label="Views of the project">
      ${VIEWS.map(
        ([path, title, icon]) => html`<a
          key=${path}
          href=${path === "board" ? href("projects", project) : href("projects", project, path)}
          aria-current=${path === current ? "page" : undefined}
          ><${Icon} name=${icon} /><span>${title}</span></a
        >`,
      )}
    </nav>
    <div class="room-people">
      ${room ? html`<${Present} room=${room} /><${Status} /><${Simulate} />` : html`<span class="tag">Read only</span>`}
    </div>
  </header>`;
}

/** Everybody who is here, the most present first, with what they look at. */
export function Present({ room }) {
  const nameOf = useNames();
  const me = session.value.me?.id;
  const people = [...useHeard(room, "members")].sort((a, b) => (a.user === me) - (b.user === me) || a.away - b.away);
  const told = ({ user, status, away }) =>
    `${nameOf(user)}${user === me ? " (you)" : ""}: ${away ? "reconnecting" : (status ?? "online")}`;
  return html`<ul class="faces" aria-label="Here now: ${room.count}">
    ${people.slice(0, MOST_FACES).map(
      (one) => html`<li key=${one.user}>
        <${Avatar} id=${one.user} name=${nameOf(one.user)} status=${one.status} away=${one.away} label=${told(one)} />
      </li>`,
    )}
    ${people.length > MOST_FACES &&
    html`<li class="more" title=${people.slice(MOST_FACES).map(told).join("\n")}>+${people.length - MOST_FACES}</li>`}
  </ul>`;
}

function Status() {
  const say = (event) => live().status(event.target.value).catch(failed);
  return html`<select class="status" aria-label="Your status" onChange=${say}>
    <option value="online">Online</option>
    <option value="busy">Busy</option>
    <option value="away">Away</option>
  </select>`;
}
