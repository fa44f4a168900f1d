/** Preact's elements, written as htm's templates, and values that they show. */

import { useEffect, useLayoutEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
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

/** Who shows it is told when it is another. */
export class Store {
  #value;
  #listeners = new Set();

  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  set(value) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  update(change) {
    this.set(change(this.#value));
  }

  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

export function useStore(store) {
  const [, draw] = useState(store.value);
  useLayoutEffect(() => {
    draw(store.value); // it may have changed since the component was drawn
    return store.on((value) => draw(() => value));
  }, [store]);
  return store.value;
}
