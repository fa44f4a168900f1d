/** What a room tells of, for components: drawn anew when it is told. */

import { createContext, useContext, useLayoutEffect, useState } from "../../lib/page.js";

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
