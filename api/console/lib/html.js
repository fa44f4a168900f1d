/** What pages are made with: preact's elements, written as htm's templates. */

import htm from "../vendor/htm.js";
import { useEffect } from "../vendor/hooks.js";
import { createContext, h, render } from "../vendor/preact.js";

export * from "../vendor/hooks.js";
export { createContext, render };
export const html = htm.bind(h);

/** Names of classes, those that count. */
export const names = (...all) => all.filter(Boolean).join(" ");

/** For handlers: this instead of what browsers do. */
export const instead = (act) => (event) => {
  event.preventDefault();
  return act(event.currentTarget, event);
};

export function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · Formula`;
  }, [title]);
}
