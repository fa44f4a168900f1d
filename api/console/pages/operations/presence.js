/** Who is connected, rooms, and what is locked there. */

import { EVERY, act, all, can, html, leave, live, table, useList, useLook, why } from "./parts.js";

const RELEASE = why("It is taken from its holder and let go. Everybody in the room sees the reason.");

export default function Presence() {
  const people = useList("/realtime/users/online");
  const rooms = useList("/realtime/collaborations/active");
  return html`
    ${table("People", people, "user_id status connections since", {}, "Nobody is connected.")}
    ${table("Rooms", rooms, "room members since", {}, "Nobody is in a project's room.")}
    ${can("project.read") && html`<${Locks} projects=${(rooms.rows ?? []).map(({ project }) => project)} />`}
  `;
}

function Locks({ projects }) {
  const load = async () => (await Promise.all(projects.map((one) => all(`/projects/${one}/locks`)))).flat();
  const as = {
    waiting: ({ queue }) => queue.length,
    actions: can("room.steal") && ((lock) => act("Release", lock.resource, release(lock), RELEASE)),
  };
  return table("Locks", useLook(load, `locks ${projects}`, { every: EVERY }), "resource holder acquired_at expires_at waiting actions", as, "Nothing is locked where people are.");
}

/** As managers do it in the room. */
const release = ({ project, resource }) => async ({ reason }) => {
  const room = await live().join(`project:${project}`);
  try {
    const { token } = await room.steal(resource, reason);
    await room.unlock(resource, token);
  } finally {
    leave(room.name);
  }
};
