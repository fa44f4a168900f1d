/** Files of all projects, also those that can be restored. */

import { Filters, act, chosen, get, html, order, table, useList } from "./parts.js";

const ROOT = "/realtime/files";
const FIELDS = [["search"], ["deleted", [["true", "deleted"]], "Those that are"]];
const DELETE = { text: "Nobody has it any more. It can be restored for a while." };

export default function Files({ query }) {
  const files = useList(ROOT, chosen(query, FIELDS));
  const open = async (id) => location.assign((await get(`${ROOT}/${id}/url`)).url);
  const actions = ({ id, name, deleted_at }) =>
    deleted_at
      ? order("Restore", name, `${ROOT}/${id}`)
      : html`${act("Open", name, () => open(id))} ${act("Delete", name, `DELETE ${ROOT}/${id}`, DELETE)}`;
  return html`
    <${Filters} query=${query} fields=${FIELDS} />
    ${table("Files", files, "name bytes content_type verdict created_by created_at actions", { actions }, "No file is like that.")}
  `;
}
