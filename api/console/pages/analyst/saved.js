/** The queries that one keeps by name. */

import { html, useEffect, useState } from "../../lib/html.js";
import { get, request } from "../../lib/rest.js";
import { go, href } from "../../lib/route.js";
import { failed, toast } from "../../lib/toast.js";
import { address } from "./address.js";

export function Saved({ name, sql, drawing }) {
  const [queries, setQueries] = useState();
  const load = () => get("/analytics/queries").then(setQueries, failed);
  useEffect(() => {
    load();
  }, []);
  const kept = queries?.some((one) => one.name === name);
  const path = (of) => `/analytics/queries/${encodeURIComponent(of)}`;
  const save = async (event) => {
    event.preventDefault();
    const as = event.target.elements.name.value.trim();
    try {
      await request("PUT", path(as), { body: { sql, drawing } });
      toast(`“${as}” is kept`);
      await load();
      go(address({ name: as, sql, drawing }));
    } catch (error) {
      failed(error);
    }
  };
  const remove = () =>
    request("DELETE", path(name)).then(() => {
      toast(`“${name}” is removed; its text is still here`);
      return load();
    }, failed);
  return html`<section aria-labelledby="saved-title">
    <h2 id="saved-title">Saved</h2>
    ${queries?.length === 0 && html`<p class="muted">Questions that you save are here, for you alone.</p>`}
    <ul class="saved">
      ${queries?.map((one) => html`<li key=${one.name}><a href=${`#/${address(one)}`} aria-current=${one.name === name ? "true" : undefined}>${one.name}</a></li>`)}
    </ul>
    <form class="save" onSubmit=${save}>
      <input key=${name} name="name" defaultValue=${name} maxlength="80" pattern="[^/]*" title="without /" required aria-label="Name of the query" placeholder="Name" />
      <button disabled=${!sql.trim()}>Save</button>
      ${kept && html`<button type="button" onClick=${remove}>Remove</button>`}
    </form>
  </section>`;
}
