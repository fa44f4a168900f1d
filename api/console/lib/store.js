/** Values that components show: they are told when it is another. */

import { useLayoutEffect, useState } from "../vendor/hooks.js";

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
