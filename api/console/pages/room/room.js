/** A project's room: who is here, the board, documents, what happened. */

import { Board } from "./board.js";
import { Documents } from "./documents.js";
import { Feed } from "./feed.js";
import { Head, Here, Present, Select, Waits, failed, href, html, live, useEffect, useMemo, useState, useStore } from "./heard.js";
import { Model } from "./model.js";
import { Simulate } from "./simulate.js";
import { TaskPanel } from "./task.js";

export function RoomPage({ project, parts: [view = "board", subject] }) {
  const model = useMemo(() => new Model(project), []);
  const [opened, setOpened] = useState();
  useEffect(() => {
    model.open().then(() => setOpened({}), (error) => setOpened({ error }));
    return () => model.close();
  }, []);
  const room = useStore(model.room);
  useEffect(() => {
    room?.select(subject ? { [view === "task" ? "task" : "document"]: subject } : null);
  }, [room, view, subject]);
  if (!opened || opened.error) return html`<${Waits} error=${opened?.error} text="Opening the room …" />`;
  const tabs = [
    [href("projects", project), "Board", view === "board" || view === "task", "board"],
    [href("projects", project, "documents"), "Documents", view === "documents", "doc"],
    [href("projects", project, "activity"), "Activity", view === "activity", "activity"],
  ];
  return html`<${Here.Provider} value=${model}>
    <div class="room">
      <${Head} back="projects" label="Views of the project" tabs=${tabs}>
        ${room ? html`<${Present} room=${room} /><${Status} /><${Simulate} />` : html`<span class="tag">Read only</span>`}
      <//>
      <div class="room-body view-${view}">
        ${view === "documents" && html`<${Documents} chosen=${subject} />`}
        ${(view === "board" || view === "task") && html`<${Board} chosen=${subject} />`}
        ${view === "task" && html`<${TaskPanel} key=${subject} id=${subject} />`}
        ${(view === "board" || view === "activity") && html`<${Feed} />`}
      </div>
    </div>
  <//>`;
}

const STATUSES = [["online", "Online"], ["busy", "Busy"], ["away", "Away"]];

const Status = () =>
  html`<${Select} class="status" aria-label="Your status" options=${STATUSES} onValue=${(status) => live().status(status).catch(failed)} />`;
