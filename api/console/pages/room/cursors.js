/** Pointers of the others. `x` is of a surface 1,600 wide, to be over the same column for everybody. */

import { colourOf, html, useHeard, useLayoutEffect, useNames } from "./heard.js";

const WIDTH = 1_600;

/** Also tells of one's own. `on`: the surface's name. */
export function Cursors({ room, on, surface }) {
  const nameOf = useNames();
  const cursors = useHeard(room, "cursors");
  useLayoutEffect(() => {
    const element = surface.current;
    if (!room || room.replay || !element) return; // the past is told nothing
    const tell = ({ clientX, clientY, pointerType }) => {
      if (pointerType === "touch") return; // a finger points at nothing when it is lifted
      const { left, top, width } = element.getBoundingClientRect();
      room.cursor({ x: Math.round(((clientX - left) / width) * WIDTH), y: Math.round(clientY - top), on });
    };
    element.addEventListener("pointermove", tell);
    return () => element.removeEventListener("pointermove", tell);
  }, [room, on]);
  const shown = cursors.filter(({ at }) => (at?.on ?? "board") === on && typeof at?.x === "number");
  const placed = ({ at, user }) => ({ left: `${(at.x / WIDTH) * 100}%`, top: `${at.y}px`, color: colourOf(user) });
  return html`<div class="cursors" aria-hidden="true">
    ${shown.map(
      (one) => html`<div key=${one.participation} class="cursor" data-user=${one.user} style=${placed(one)}>
        <svg viewBox="0 0 16 16"><path d="M1 1l5.5 13 2-5.5L14 6.5z" /></svg>
        <span>${nameOf(one.user).split(" ")[0]}</span>
      </div>`,
    )}
  </div>`;
}
