/** What can be asked: each view with its columns, as the database describes them. */

import { html, useEffect, useState } from "../../lib/html.js";
import { get } from "../../lib/rest.js";
import { failed } from "../../lib/toast.js";

/** `insert`: writes a name where the cursor is. */
export function Schema({ insert }) {
  const [{ views, functions }, setCatalog] = useState({ views: [], functions: [] });
  const [wanted, setWanted] = useState("");
  useEffect(() => {
    get("/analytics/views").then(setCatalog, failed);
  }, []);
  const word = wanted.trim().toLowerCase();
  const has = ({ name }) => name.toLowerCase().includes(word);
  const shown = views.filter((view) => has(view) || view.columns.some(has));
  return html`<section aria-labelledby="schema-title">
    <h2 id="schema-title">Tables</h2>
    <input type="search" aria-label="Find a table or a column" placeholder="Find" value=${wanted} onInput=${({ target }) => setWanted(target.value)} />
    ${shown.map(
      (view) => html`<details key=${view.name} class="table-about" open=${Boolean(word) && !has(view)}>
        <summary>${view.name}</summary>
        <p class="muted">${view.about}</p>
        <${Name} name=${view.name} about="the table" insert=${insert} />
        ${view.columns.map(({ name, type, about }) => html`<${Name} key=${name} name=${name} type=${type} about=${about} insert=${insert} />`)}
      </details>`,
    )}
    ${functions.filter((one) => has(one) && one.name.includes("_as_of")).map(
      (one) => html`<details key=${one.name} class="table-about">
        <summary>${one.name.split("(")[0]}(…)</summary>
        <p class="muted">${one.about}</p>
        <${Name} name=${`${one.name.split("(")[0]}(:at)`} about="its rows at a time" insert=${insert} />
      </details>`,
    )}
  </section>`;
}

const Name = ({ name, type, about, insert }) =>
  html`<button type="button" class="plain name" title=${about} onClick=${() => insert(name)}><code>${name}</code><small>${type ?? about}</small></button>`;
