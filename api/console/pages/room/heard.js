/** What a room tells of, for components: drawn anew when it is told. */

import { createContext, useContext, useEffect, useLayoutEffect, useState } from "../../lib/html.js";

/** The model of the project that is looked at. */
export const Here = createContext(undefined);
export const useHere = () => useContext(Here);

/** A room's list, such as `members` or `typing`; empty where there is no room. */
export function useHeard(room, name) {
  const [, draw] = useState();
  useLayoutEffect(() => room?.on(name, () => draw({})), [room, name]); // none is missed between
  return room?.[name] ?? EMPTY[name];
}

/** Whether something is true of the time, looked at every second while `on`. */
/** The time, as often as it is looked at. @param {number} every milliseconds */
export function useClock(every) {
  const [now, tick] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => tick(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

const EMPTY = { members: [], typing: [], cursors: [], locks: new Map(), selections: new Map() };
