/** All of an answer as a file: asked anew, since it may have more rows than are shown. */

import { received, saveAs } from "../../lib/download.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { failed, toast } from "../../lib/toast.js";
import { asFile } from "./asking.js";

const FORMATS = { csv: "CSV", json: "JSON", parquet: "Parquet" };

export function Export({ question, name }) {
  const [progress, setProgress] = useState();
  const stopping = useRef();
  useEffect(() => () => stopping.current?.abort(), []);
  const start = async (format) => {
    stopping.current = new AbortController();
    setProgress("Asking …");
    try {
      const response = await asFile(question, format, stopping.current.signal);
      const file = await received(response, (bytes) => setProgress(`${(bytes / 1e6).toFixed(1)} MB received`));
      saveAs(file, `${name || "answer"}.${format}`);
      const rows = Number(response.headers.get("x-rows")).toLocaleString("en");
      toast(response.headers.get("x-truncated") === "true" ? `The first ${rows} rows are in the file; there are more` : `${rows} rows are in the file`);
    } catch (error) {
      failed(error);
    }
    setProgress();
  };
  return html`<div class="export" role="group" aria-label="Export">
    ${progress
      ? html`<span role="status">${progress}</span><button onClick=${() => stopping.current.abort()}>Cancel</button>`
      : Object.entries(FORMATS).map(([format, title]) => html`<button key=${format} onClick=${() => start(format)}>${title}</button>`)}
  </div>`;
}
