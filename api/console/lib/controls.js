/** What several pages have. */

import { html, instead, names, useEffect, useLayoutEffect, useRef, useState, useTitle } from "./html.js";
import { go } from "./route.js";
import { failed, said } from "./toast.js";
import { ago, exactly } from "./when.js";

const ICONS = new URL("../icons.svg", import.meta.url).href;

export const Icon = ({ name }) => html`<svg class="icon" aria-hidden="true"><use href="${ICONS}#${name}" /></svg>`;

export const Mark = ({ large }) =>
  html`<svg class=${names("mark", large && "large")} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" />
    <path d="M9 23V9h14M9 16h10" />
    <circle cx="23" cy="22" r="2.6" />
  </svg>`;

/** `options`: values, or pairs of a value and its text. `onValue` is told what is chosen. */
export const Select = ({ options, onValue, ...given }) => html`<select onChange=${onValue && (({ target }) => onValue(target.value))} ...${given}>
  ${options.map((one) => [one].flat()).map(([value, text = value]) => html`<option key=${value} value=${value}>${text}</option>`)}
</select>`;

/** Of each: where it leads, its title, whether one is there, its icon. */
export const links = (all) =>
  all.map(
    ([to, title, at, icon]) => html`<a key=${to} href=${to} aria-current=${at ? "page" : undefined}>${icon && html`<${Icon} name=${icon} />`}<span>${title}</span></a>`,
  );

export const Tabs = ({ label, all }) => html`<nav class="tabs" aria-label=${label}>${links(all)}</nav>`;

export const focused = (element) => element?.focus();

/** A form of one line; `onTaken` says false of what it does not take. `begins`: with the focus. */
export function Line({ label, begins, onTaken, ...given }) {
  const submit = instead(({ elements: [input] }) => {
    const text = input.value.trim();
    if (text && onTaken(text) !== false) input.value = "";
  });
  return html`<form onSubmit=${submit}><input ref=${begins && focused} aria-label=${label} maxlength="200" ...${given} /></form>`;
}

/** Who closes it is again at `from`, a selector. */
export function Panel({ title, label = title, from, close, children }) {
  const panel = useRef();
  useLayoutEffect(() => {
    panel.current.focus({ preventScroll: true });
    return () => requestAnimationFrame(() => document.querySelector(from)?.focus());
  }, []);
  const keys = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select")) panel.current.focus(); // out of what one writes first
    else go(close);
  };
  return html`<aside class="panel" ref=${panel} tabindex="-1" aria-label=${label} onKeyDown=${keys}>
    <div class="panel-head">
      <span class="muted">${title}</span>
      <a class="back" href=${close} aria-label="Close the ${title.split(" ")[0].toLowerCase()}"><${Icon} name="close" /></a>
    </div>
    ${children}
  </aside>`;
}

export const Waits = ({ error, text = "Looking it up …" }) => html`<p class="empty" role=${error ? "alert" : "status"}>${error ? said(error) : text}</p>`;

export function Loaded({ load, title, ...props }) {
  const [module, setModule] = useState();
  useTitle(title);
  useEffect(() => void load().then(setModule, failed), []);
  return module ? html`<${module.default} ...${props} />` : html`<${Waits} text="Loading …" />`;
}

/** `headed` and `celled`: what a head or a cell has beside its text. */
export const Table = ({ label, heads, rows, keys = [], headed, celled, ...given }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
  <table ...${given}>
    <thead><tr>${heads.map((head, at) => html`<th key=${at} scope="col" ...${headed?.(at)}>${head}</th>`)}</tr></thead>
    <tbody>
      ${rows.map((cells, row) => html`<tr key=${keys[row] ?? row}>${cells.map((cell, at) => html`<td key=${at} ...${celled?.(at, row)}>${cell}</td>`)}</tr>`)}
    </tbody>
  </table>
</div>`;

/** The component is drawn anew after so many milliseconds, again and again. */
export function useTicks(every) {
  const [, draw] = useState();
  useEffect(() => {
    const timer = setInterval(() => draw({}), every);
    return () => clearInterval(timer);
  }, []);
}

export function Ago({ at }) {
  useTicks(15_000);
  return html`<time datetime=${at} title=${exactly(at)}>${ago(at)}</time>`;
}
