/** The time machine of a project: a moment of its life, and what led to it. */

import { html, useEffect, useMemo, useState } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { remember } from "../../lib/people.js";
import { all, get } from "../../lib/rest.js";
import { href, route } from "../../lib/route.js";
import { said } from "../../lib/said.js";
import { useStore } from "../../lib/store.js";
import { styled } from "../../lib/styled.js";
import { failed } from "../../lib/toast.js";
import { Board } from "../room/board.js";
import { Feed } from "../room/feed.js";
import { Here } from "../room/heard.js";
import { Present } from "../room/room.js";
import { Difference } from "./diff.js";
import { EventPanel } from "./event.js";
import { Past } from "./past.js";
import { Player, steer } from "./player.js";
import { here, turn } from "./where.js";

await styled(import.meta.url, "time.css");

const MARKS = 500;
const SETTLED = 300; // milliseconds after which a moment comes into the address

export function Machine({ project, query }) {
  const model = useMemo(() => new Past(project), []);
  const [marks, setMarks] = useState();
  const [wrong, setWrong] = useState();
  const moment = useStore(model.moment);
  const playing = useStore(model.playing);
  const { at, event, view, a, b } = Object.fromEntries(query);
  useEffect(() => {
    names(project).catch(() => {});
    get("/replay/outline", { project, limit: MARKS }).then(({ marks }) => {
      model.first = marks[0].pos;
      setMarks(marks);
    }, (error) => setWrong(said(error)));
    return () => model.close();
  }, []);
  useEffect(() => {
    if (!moment || (at && at !== String(moment.position))) model.show(at).catch(moment ? failed : (error) => setWrong(said(error)));
  }, [at]);
  useEffect(() => {
    if (!moment || playing) return undefined;
    const timer = setTimeout(() => turn({ at: moment.position }), SETTLED);
    return () => clearTimeout(timer);
  }, [moment?.position, playing]);
  if (wrong || !moment || !marks) return html`<p class="empty" role=${wrong ? "alert" : "status"}>${wrong ?? "Going back …"}</p>`;
  return html`<${Here.Provider} value=${model}>
    <div class="machine" onKeyDown=${(pressed) => steer(pressed, model)}>
      <${Head} model=${model} view=${view} />
      <${Player} model=${model} marks=${marks} query=${query} />
      <div class=${`room-body view-${event ? "task" : "board"}`}>
        ${view ? html`<${Difference} model=${model} a=${a} b=${b} />` : html`<${Board} />`}
        ${event && model.event ? html`<${EventPanel} key=${event} position=${event} />` : html`<${Feed} />`}
      </div>
    </div>
  <//>`;
}

/** Who is of a project is known by name. */
export async function names(project) {
  const members = await all(`/projects/${project}/members`);
  remember(members.map(({ user_id, name }) => [user_id, name]));
}

function Head({ model, view }) {
  const { name } = useStore(model.project);
  const room = useStore(model.room);
  const { page } = route.value;
  useEffect(() => {
    document.title = `${name}, as it was · Formula`;
  }, [name]);
  const tab = (title, path) => html`<a href=${here({ view: path })} aria-current=${view === path ? "page" : undefined}>${title}</a>`;
  return html`<header class="room-head">
    <div class="room-title">
      <a class="back" href=${page === "time" ? "#/time" : href(page, model.id)} aria-label="Back"><${Icon} name="left" /></a>
      <h1>${name}</h1>
    </div>
    <nav class="tabs" aria-label="Views of the past">${tab("As it was")}${tab("What changed", "diff")}</nav>
    <div class="room-people"><${Present} room=${room} /></div>
  </header>`;
}
