/** Line icons, 16 by 16, in the colour of the text. They say nothing to screen readers. */

import { html, names } from "./html.js";

const PATHS = {
  board: "M2.5 3h3v10h-3zM6.5 3h3v7h-3zM10.5 3h3v5h-3z",
  doc: "M4 1.5h5.5L13 5v9.5H4zM9 1.5V5h4M6 8h5M6 10.5h5",
  activity: "M1.5 8h3l2-5 3 10 2-5h3",
  people: "M6 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM1.5 13.5c0-2.5 2-4 4.5-4s4.5 1.5 4.5 4M11 7.5a2 2 0 1 0-1-3.7M12 9.8c1.6.5 2.5 1.8 2.5 3.7",
  replay: "M2.5 8a5.5 5.5 0 1 0 1.8-4.1M2.5 2v3h3M8 5v3.2l2 1.3",
  audit: "M8 1.5l5.5 2v4c0 3.3-2.2 5.8-5.5 7-3.3-1.2-5.5-3.7-5.5-7v-4zM5.5 8l2 2 3.2-3.5",
  chart: "M2 13.5h12M4 11V7.5M7 11V3.5M10 11V6M13 11V8.5",
  ops: "M1.5 3h13v4h-13zM1.5 9h13v4h-13zM4 5h.01M4 11h.01",
  jobs: "M8 1.5v3M8 11.5v3M1.5 8h3M11.5 8h3M3.4 3.4l2.1 2.1M10.5 10.5l2.1 2.1M12.6 3.4l-2.1 2.1M5.5 10.5l-2.1 2.1",
  bell: "M4 11V7a4 4 0 1 1 8 0v4l1.5 1.5h-11zM6.5 14h3",
  lock: "M4 7.5h8v6H4zM5.5 7.5v-2a2.5 2.5 0 0 1 5 0v2",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  moon: "M13 9.5A5.5 5.5 0 1 1 6.5 3 4.5 4.5 0 0 0 13 9.5z",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  out: "M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3",
  comment: "M2 3h12v8H7l-3 2.5V11H2z",
  left: "M10 3L5 8l5 5",
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

export const Mark = ({ large }) =>
  html`<svg class=${names("mark", large && "large")} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" />
    <path d="M9 23V9h14M9 16h10" />
    <circle cx="23" cy="22" r="2.6" />
  </svg>`;
