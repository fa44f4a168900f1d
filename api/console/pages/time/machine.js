/** A project at a moment of its life, and what led to it. */

import { Board } from "../room/board.js";
import { Feed } from "../room/feed.js";
import { Head, Here, Present, Waits, again, failed, focused, here, html, membersOf, turn, useEffect, useGot, useMemo, useStore } from "../room/heard.js";
import { Difference, EventPanel } from "./changes.js";
import { Past } from "./past.js";
import { Player, steer } from "./player.js";

const SETTLED = 300; // milliseconds after which a moment comes into the address

export function Machine({ project, query }) {
  const model = useMemo(() => new Past(project), []);
  const { value: outline, error } = useGot("/replay/outline", { project, limit: 500 });
  const moment = useStore(model.moment);
  const playing = useStore(model.playing);
  const room = useStore(model.room);
  const { at, event, view } = Object.fromEntries(query);
  useEffect(() => {
    membersOf(project).catch(() => {});
    return () => model.close();
  }, []);
  useEffect(() => {
    if (!moment || (at && +at !== moment.position)) model.show(at).catch((error) => failed(error, moment || model.show().catch(() => {})));
  }, [at]);
  useEffect(() => {
    if (moment?.position > outline?.now.position) again(); // it has gone on
    const { hash } = location; // another one: to where one is on the way
    const timer = moment && !playing && +at !== moment.position && setTimeout(() => location.hash === hash && turn({ at: moment.position }), SETTLED);
    return () => clearTimeout(timer);
  }, [moment?.position, playing, query]);
  if (!moment || !outline) return html`<${Waits} error=${error} />`;
  const { marks } = outline;
  model.first = marks[0].pos;
  const tabs = [["", "As it was"], ["diff", "What changed"]].map(([path, title]) => [here({ view: path }), title, path === (view ?? "")]);
  return html`<${Here.Provider} value=${model}>
    <div class="machine" tabindex="-1" ref=${focused} onKeyDown=${(pressed) => steer(pressed, model)}>
      <${Head} back="time" label="Views of the past" tabs=${tabs}><${Present} room=${room} /><//>
      <${Player} model=${model} marks=${marks} query=${query} />
      <div class="room-body view-${event ? "task" : "board"}">
        ${view ? html`<${Difference} model=${model} query=${query} />` : html`<${Board} />`}
        ${event ? html`<${EventPanel} key=${event} position=${event} />` : html`<${Feed} />`}
      </div>
    </div>
  <//>`;
}
