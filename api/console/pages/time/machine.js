/** The time machine of a project: a moment of its life, and what led to it. */

import { html, useEffect, useMemo } from "../../lib/html.js";
import { Icon } from "../../lib/icons.js";
import { useStore } from "../../lib/store.js";
import { styled } from "../../lib/styled.js";
import { failed } from "../../lib/toast.js";
import { Board } from "../room/board.js";
import { Feed } from "../room/feed.js";
import { Here } from "../room/heard.js";
import { Present } from "../room/room.js";
import { Difference } from "./diff.js";
import { EventPanel } from "./event.js";
import { Waits, here, names, turn, useGot } from "./parts.js";
import { Past } from "./past.js";
import { Player, steer } from "./player.js";

await styled(import.meta.url, "time.css");

const focus = (element) => element?.focus(); // keys are of what has it
const SETTLED = 300; // milliseconds after which a moment comes into the address

export function Machine({ project, query }) {
  const model = useMemo(() => new Past(project), []);
  const [outline, wrong, again] = useGot("/replay/outline", { project, limit: 500 });
  const moment = useStore(model.moment);
  const playing = useStore(model.playing);
  const room = useStore(model.room);
  const { at, event, view, a, b, cursor } = Object.fromEntries(query);
  useEffect(() => {
    names(project).catch(() => {});
    return () => model.close();
  }, []);
  useEffect(() => {
    if (!moment || (at && +at !== moment.position)) model.show(at).catch((error) => failed(error, moment || model.show()));
  }, [at]);
  useEffect(() => {
    if (moment?.position > outline?.now.position) again(); // it has gone on
    const { hash } = location; // another one: to where one is on the way
    const timer = moment && !playing && +at !== moment.position && setTimeout(() => location.hash === hash && turn({ at: moment.position }), SETTLED);
    return () => clearTimeout(timer);
  }, [moment?.position, playing, query]);
  if (!moment || !outline) return html`<${Waits} wrong=${wrong} />`;
  const { marks } = outline;
  model.first = marks[0].pos;
  const tab = (title, path) => html`<a href=${here({ view: path })} aria-current=${view === path ? "page" : undefined}>${title}</a>`;
  return html`<${Here.Provider} value=${model}>
    <div class="machine" tabindex="-1" ref=${focus} onKeyDown=${(pressed) => steer(pressed, model)}>
      <header class="room-head">
        <div class="room-title"><a class="back" href="#/time" aria-label="All projects"><${Icon} name="left" /></a><h1>${model.project.value.name}</h1></div>
        <nav class="tabs" aria-label="Views of the past">${tab("As it was")}${tab("What changed", "diff")}</nav>
        <div class="room-people"><${Present} room=${room} /></div>
      </header>
      <${Player} model=${model} marks=${marks} query=${query} />
      <div class="room-body view-${event ? "task" : "board"}">
        ${view ? html`<${Difference} model=${model} a=${a} b=${b} cursor=${cursor} />` : html`<${Board} />`}
        ${event ? html`<${EventPanel} key=${event} position=${event} />` : html`<${Feed} />`}
      </div>
    </div>
  <//>`;
}
