/** API keys: ways in for programs. The key itself is shown once. */

import { act, ask, html, myId, post, table, useRead } from "./parts.js";

const NEW = {
  text: "It never may more than its owner, and ends after 90 days.",
  fields: [["name", { required: true }], ["scopes", { value: "read", required: true }, "Scopes: read, write, or actions, with spaces between"]],
};

export default () => html`<${Keys} user=${myId()} />`;

export function Keys({ user }) {
  const path = `/users/${user}/api-keys`;
  const make = async ({ name, scopes }) => {
    const made = await post(path, { name, scopes: scopes.trim().split(/\s+/) });
    await ask({ title: "The key", text: "Copy it now: it is never shown again.", label: "I have it", fields: [["key", { value: made.key, readonly: true }]] });
    return made;
  };
  const as = {
    scopes: ({ scopes }) => scopes.join(" "),
    actions: ({ id, name }) => act("Revoke", name, `DELETE ${path}/${id}`),
  };
  return table("API keys", useRead(path), "name scopes created_at used_at expires actions", as, "There is no key.", act("New", "key", make, NEW));
}
