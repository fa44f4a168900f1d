/** People: what they may do, their log-ins and keys. */

import { Keys } from "./keys.js";
import { Filters, act, chosen, html, link, order, shown, table, useList, useRead, why } from "./parts.js";

const ROLES = ["admin", "manager", "member", "guest", "auditor", "analyst", "operator"];
const FIELDS = [["search"], ["role", ROLES], ["status", ["active", "deactivated"]]];
const NEEDED = { required: true };
const PASSWORD = { type: "password", autocomplete: "new-password", ...NEEDED };
const NEW = { text: "A mail asks whether the address is theirs.", fields: [["name", NEEDED], ["email", NEEDED], ["role", ROLES], ["password", PASSWORD]] };
const ROLE = { fields: [["role", ROLES]] };
const OFF = why("Log-ins, keys and connections end at once.");

export default function Users({ query }) {
  const filter = chosen(query, FIELDS);
  const users = useList("/users", filter);
  const user = query.get("user");
  const as = {
    name: ({ id, name }) => link({ ...filter, user: id }, name),
    actions: ({ id, name, status }) => html`
      ${act("Change role", `of ${name}`, `PUT /users/${id}/role`, ROLE)}
      ${status === "active" ? order("Deactivate", name, `/users/${id}`, OFF) : order("Reactivate", name, `/users/${id}`)}`,
  };
  return html`
    <${Filters} query=${query} fields=${FIELDS} />
    ${user && html`<${LogIns} user=${user} /><${Keys} user=${user} />`}
    ${table("Users", users, "name email role status actions", as, "Nobody is like that.", act("New", "user", "POST /users", NEW))}
  `;
}

function LogIns({ user }) {
  const path = `/users/${user}/sessions`;
  const actions = ({ id }) => act("End", "the log-in", `DELETE ${path}/${id}`);
  return table("Log-ins of", useRead(path), "user_agent address started_at seen_at actions", { actions }, "None.", shown(user, "user_id"));
}
