/** A table that can be scrolled by keys. */

import { html } from "./html.js";

/** `headed` and `celled`: what a head or a cell has beside its text, by its column; `keys`: of the rows. */
export const Table = ({ label, heads, rows, keys = [], headed, celled, ...given }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
  <table ...${given}>
    <thead><tr>${heads.map((head, at) => html`<th key=${at} scope="col" ...${headed?.(at)}>${head}</th>`)}</tr></thead>
    <tbody>
      ${rows.map((cells, row) => html`<tr key=${keys[row] ?? row}>${cells.map((cell, at) => html`<td key=${at} ...${celled?.(at, row)}>${cell}</td>`)}</tr>`)}
    </tbody>
  </table>
</div>`;
