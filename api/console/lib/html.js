/** What pages are made with: preact's elements, written as htm's templates. */

import htm from "../vendor/htm.js";
import { Fragment, createContext, h, render } from "../vendor/preact.js";

export * from "../vendor/hooks.js";
export { Fragment, createContext, render };
export const html = htm.bind(h);

/** Names of classes, those that count. */
export const names = (...all) => all.filter(Boolean).join(" ");
