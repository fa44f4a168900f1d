/** What a search finds, as a signed file: counted as it comes, then checked. */

import { html, useState } from "../../lib/html.js";
import { token } from "../../lib/session.js";
import { failed } from "../../lib/toast.js";
import { checked } from "./proof.js";

export function Export({ filter }) {
  const [told, tell] = useState();
  const save = async (event) => {
    event.preventDefault();
    const query = new URLSearchParams({ ...filter, format: event.target.elements.format.value });
    const response = await fetch(`/api/v1/audit/export?${query}`, { headers: { authorization: `Bearer ${await token()}` } });
    if (!response.ok) throw await response.json();
    const reader = response.body.getReader();
    const parts = [];
    let bytes = 0;
    for (let one; !(one = await reader.read()).done; parts.push(one.value)) tell(`${((bytes += one.value.length) / 1e6).toFixed(1)} MB so far …`);
    const file = new Blob(parts);
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "formula-audit.zip" });
    link.click();
    URL.revokeObjectURL(link.href);
    tell(await checked(file));
  };
  return html`<form class="player-row" onSubmit=${(event) => save(event).catch(failed)}>
    <select class="status" name="format" aria-label="Format">${["ndjson", "csv", "parquet"].map((one) => html`<option>${one}</option>`)}</select>
    <button>Export what is found</button>
    <span role="status">${told}</span>
  </form>`;
}
