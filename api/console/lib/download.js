/** Files of answers, which can be called off. */

import { html, useState } from "./html.js";
import { answered } from "./rest.js";
import { failed } from "./toast.js";
import { size } from "./when.js";

/** What saves an answer under a name, and what is to be seen meanwhile. */
export function useDownload() {
  const [{ left, said }, tell] = useState({});
  const download = async (name, method, path, given) => {
    const left = new AbortController();
    let bytes = 0;
    const transform = (part, on) => {
      bytes += part.length;
      tell({ left, said: `${size(bytes)} so far …` });
      on.enqueue(part);
    };
    tell({ left, said: "Asking …" });
    try {
      const { headers, body } = await answered(method, path, { ...given, signal: left.signal });
      const file = await new Response(body.pipeThrough(new TransformStream({ transform }))).blob();
      const href = URL.createObjectURL(file);
      Object.assign(document.createElement("a"), { href, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
      return { headers, file };
    } catch (error) {
      failed(error);
    } finally {
      tell({});
    }
  };
  return [download, left && html`<span role="status">${said}</span><button type="button" onClick=${() => left.abort()}>Cancel</button>`];
}
