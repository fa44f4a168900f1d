/** Line icons, 16 by 16, in the colour of the text. They say nothing to screen readers. */

import { html, names } from "./html.js";

const ALL = new URL("../icons.svg", import.meta.url).href;

export const Icon = ({ name }) => html`<svg class="icon" aria-hidden="true"><use href="${ALL}#${name}" /></svg>`;

export const Mark = ({ large }) =>
  html`<svg class=${names("mark", large && "large")} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" />
    <path d="M9 23V9h14M9 16h10" />
    <circle cx="23" cy="22" r="2.6" />
  </svg>`;
