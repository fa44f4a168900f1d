/** The slider over a project's life, and what plays it. */

import { Select, exactly, failed, here, html, turn, useNames, useStore, words } from "./words.js";

const SPEEDS = [1, 4, 16, 64, 256, 1_024].map((one) => [one, `${one}×`]);
const QUIET = /^(participation|lock|activity)/; // drawn low

export function Player({ model, marks, query }) {
  const moment = useStore(model.moment);
  const playing = useStore(model.playing);
  const speed = useStore(model.speed);
  const nameOf = useNames();
  const timed = query.get("by") === "time";
  const places = marks.map(({ at }, i) => (timed ? Date.parse(at) : i)); // along the slider
  const [low, high] = [places[0], Math.max(places.at(-1), places[0] + 1)];
  const until = (position) => marks.findLastIndex(({ pos }) => pos <= position);
  const line = (i, top) => (i < 0 ? "" : `M${(((places[i] - low) / (high - low)) * 1_000).toFixed(1)} ${top}V24`);
  const mark = marks[until(moment.position)];
  const jump = ({ target }) => {
    model.close();
    model.show(marks[places.findLastIndex((place) => place <= target.valueAsNumber)].pos).catch(failed);
  };
  const button = (name, text, title, act) => html`<button class=${name} aria-label=${title} title=${title} onClick=${act}>${text}</button>`;
  const end = (name) => button("", html`${name.toUpperCase()}<small>${query.get(name)}</small>`, `${name.toUpperCase()}: compare this moment`, () => turn({ [name]: moment.position }));
  return html`<section class="player" aria-label="Time">
    <div class="player-row">
      ${button("", "‹", "Event before", () => step(model, -1))}
      ${button("primary", playing ? "❚❚" : "▶", playing ? "Pause" : "Play", () => toggle(model))}
      ${button("", "›", "Event after", () => step(model, 1))}
      <${Select} class="status" aria-label="Speed" value=${speed} options=${SPEEDS} onValue=${(value) => model.pace(+value).catch(failed)} />
      <span class="clock"><b>${exactly(moment.at)}</b> <small>position ${moment.position}</small></span>
      ${end("a")}${end("b")}
    </div>
    <svg viewBox="0 0 1000 24" preserveAspectRatio="none" aria-hidden="true">
      <path d=${marks.map(({ type }, i) => line(i, QUIET.test(type) ? 16 : 5)).join("")} />
      <path class="end" d=${["a", "b"].map((name) => line(until(query.get(name) ?? -1), 0)).join("")} />
    </svg>
    <input type="range" min=${low} max=${high} step=${timed ? "any" : 1} value=${places[until(moment.position)]} aria-label="Moment" aria-valuetext=${mark && `${exactly(moment.at)}: ${words(mark.type)}, ${nameOf(mark.by)}`} onInput=${jump} />
    <p class="hint muted">
      <a href=${here({ by: timed ? "" : "time" })}>${timed ? "Event by event" : "By the clock"}</a>
      <span><kbd>Space</kbd> plays, <kbd>,</kbd> <kbd>.</kbd> step, <kbd>A</kbd> <kbd>B</kbd> mark what is compared</span>
    </p>
  </section>`;
}

/** Keys of the whole page, but for where one writes. */
export function steer(event, model) {
  const { key, target, ctrlKey, metaKey, altKey } = event;
  if (ctrlKey || metaKey || altKey || target.closest("input:not([type=range]), select, textarea")) return;
  const end = () => turn({ [key.toLowerCase()]: model.moment.value.position });
  const acts = { " ": () => toggle(model), ",": () => step(model, -1), ".": () => step(model, 1), a: end, b: end };
  const act = acts[key.toLowerCase()];
  if (!act || (key === " " && target.closest("button, a, summary"))) return;
  event.preventDefault();
  act();
}

function toggle(model) {
  if (model.playing.value) return model.pause();
  model.play().catch((error) => failed(error, model.close()));
}

function step(model, by) {
  if (model.playing.value) return model.pause();
  const to = by > 0 ? model.next : model.feed.value[1]?.position;
  if (to) model.show(to).catch(failed);
}
