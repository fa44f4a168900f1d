// All that the client's types declare, as a page would use it: held by tsc against them.
import { type Checked, checkExport } from "../../api/client/browser/audit.js";
import {
  connect,
  Formula,
  FormulaError,
  type HeldLock,
  type Joined,
  type Person,
  type Room,
} from "../../api/client/browser/formula.js";

const formula: Formula = connect({
  token: async (stale) => (stale ? "another" : "token"),
  url: new URL("ws://127.0.0.1:5014/api/v1/realtime/ws"),
  device: "page",
  auto: true,
});

formula.on("state", ({ state, queued, error }) => console.log(state, queued, error?.code));
formula.on("room", (room) => console.log(room.name));
formula.on("refused", (error) => console.log(error.code, error.detail, error.retryAfter));

async function work(project: string): Promise<void> {
  const room: Room = await formula.join(`project:${project}`, { location: "board" });
  const stop: () => void = room.on("event", ({ type, by, pos }) => console.log(type, by, pos));
  room.on("members", (members: Person[]) => console.log(members[0]?.connections.length));
  room.on("cursors", (cursors) =>
    cursors.map(({ user, participation, at }) => [user, participation, at.x, at.y]),
  );
  room.on("selections", (all) => [...all].map(([participation, { user }]) => [participation, user]));
  room.on("typing", (typing) => typing.map(({ user, where }) => [user, where]));
  room.on("lost", ({ resource, reason }) => console.log(resource, reason));
  room.on("left", ({ why }) => console.log(why));
  const { pos } = await room.act("note", { text: "hello" });
  room.seen(pos);
  room.cursor({ x: 1, y: 2, page: 3 });
  room.type("title");
  room.select(null);
  try {
    const held: HeldLock = await room.lock("desk", { ttl: 5_000, keep: true, wait: true });
    await room.unlock("desk", held.token);
  } catch (error) {
    if (error instanceof FormulaError && error.code === "lock.held") await room.unwait("desk");
  }
  console.log(room.locks.get("desk")?.holder, room.held.size, room.receipts.size, room.count);
  stop();
  await formula.status("busy", "board");
  await formula.leave(room.name);
}

async function rewind(project: string): Promise<Joined> {
  const replay = await formula.replay(project, { from: "2026-01-31T12:00:00Z", speed: 10 });
  replay.on("ended", ({ pos }) => console.log(pos, replay.replay?.end_at));
  await replay.pause();
  await replay.skip();
  await replay.speed(2);
  await replay.resume();
  return replay.seek(0);
}

// What the types must refuse.
// @ts-expect-error: a token is not an option but a function
connect({ token: "token" });
// @ts-expect-error: there is no such event
formula.on("nothing", () => {});
// @ts-expect-error: a lock has a resource
formula.own?.lock();

async function proved(file: Blob): Promise<string> {
  const { manifest, altered }: Checked = await checkExport(file);
  return altered ?? `${manifest.count} events, signed by ${manifest.public_key}`;
}

export { proved, rewind, work };
