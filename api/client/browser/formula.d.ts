/** Live rooms of Formula in a browser: no dependency, no build step.
 *
 * ```js
 * import { connect } from "/client/formula.js";
 *
 * const formula = connect({ token: async (stale) => (stale ? await refreshed() : current()) });
 * const room = await formula.join(`project:${id}`);
 * room.on("event", (event) => console.log(event.type, event.data));
 * room.on("cursors", (cursors) => draw(cursors));
 * await room.act("note", { text: "hello" });
 * ```
 *
 * Times are milliseconds unless they say otherwise, ids UUIDs, positions integers of the log.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Options {
  /** An access token. It is asked for before every connection, and when the one in use nears its
   * end; `stale`: one that the server no longer takes. Nothing (""): signed out, so it is over.
   * A rejection (no network) is tried again later. */
  token(stale?: string): string | undefined | Promise<string | undefined>;
  /** Of the WebSocket; without it that of the server that this module came from. */
  url?: string | URL;
  /** What others see this connection as; at most 60 characters. */
  device?: string;
  /** Join the rooms of one's projects; each comes as `room`. */
  auto?: boolean;
}

/** `connecting`: for the first time. `resuming`: again, rooms included. `offline`: waiting to try
 * again. `closed`: for good. */
export type State = "connecting" | "live" | "resuming" | "offline" | "closed";

export interface Told {
  state: State;
  /** Requests that wait for their answer; they are sent again after a drop. */
  queued: number;
  /** Why it is offline (`client.dropped`, with the close code), or closed: `client.closed` by
   * close(), `client.ended` by the server (with the close code), `auth.missing` for want of a
   * token. */
  error?: FormulaError;
}

export function connect(options: Options): Formula;

export class Formula {
  constructor(options: Options);
  readonly state: State;
  readonly queued: number;
  /** One's user id, once welcomed. */
  readonly me: string | undefined;
  readonly welcome: Welcome | undefined;
  readonly rooms: ReadonlyMap<string, Room>;
  /** The room of one's own: notifications, progress of one's jobs. */
  readonly own: Room | undefined;

  /** Rejected where the rules say no. A room that one is in already is the same object. */
  join(name: string, options?: { location?: string }): Promise<Room>;
  leave(name: string): Promise<void>;
  /** A project's past as a room of one's own: `from` and `to` are positions or RFC 3339 times. It
   * ends with the connection; open another from its `last` to go on. */
  replay(project: string, options?: Span): Promise<Room>;
  /** `online`, `away`, `busy` or a text; and where one is, in all rooms of this connection. */
  status(status: string, location?: string): Promise<Ack>;
  /** Say goodbye. What is not answered yet is rejected. */
  close(): void;

  /** Returns the function that stops listening. */
  on<Name extends keyof FormulaEvents>(
    name: Name,
    listener: (detail: FormulaEvents[Name]) => void,
  ): () => void;
}

export interface FormulaEvents {
  state: Told;
  /** A room that the server opened: one's own, those of `auto`, a replay. */
  room: Room;
  /** Motion that was refused: too large, or in a room where one may only read. */
  refused: FormulaError;
}

export interface Span {
  from?: number | string;
  to?: number | string;
  /** 1: as fast as it was. */
  speed?: number;
}

export class Room {
  readonly name: string;
  /** The position of the newest event applied. */
  readonly last: number | undefined;
  /** The newest snapshot or resume. */
  readonly joined: Joined | undefined;
  /** One entry a person, with all their connections. */
  readonly members: Person[];
  /** Where the others' cursors are at this moment of their glide: one a connection, so that each
   * window of a person has its own. Those of one's own other windows are among them. */
  readonly cursors: Cursor[];
  readonly typing: Typing[];
  /** Of connections here. Where they are too many to list, `members` is empty. */
  readonly count: number;
  /** Up to where each person has seen the room. */
  readonly receipts: ReadonlyMap<string, number>;
  /** By participation. */
  readonly selections: ReadonlyMap<string, Selection>;
  /** By resource: those of the newest snapshot, see its `more`, and of what happened since. */
  readonly locks: ReadonlyMap<string, Lock>;
  /** One's own, by resource, with their fencing tokens. */
  readonly held: ReadonlyMap<string, HeldLock>;
  /** What a replay's room is at. */
  readonly replay: Rewound | undefined;

  /** Durable when it resolves, at `pos`. The same `id` (a UUID) again is the same action. */
  act(kind: string, data?: Json, options?: { id?: string }): Promise<Ack>;
  /** Any object of at most 1 KiB. Call it as often as the pointer moves. Numbers `x` and `y` glide
   * on the others' screens as long as everything else in it stays the same. */
  cursor(at: Json): void;
  /** To be called on every key that is pressed; `on: false` when done. */
  type(where: string, on?: boolean): void;
  /** Any object of at most 1 KiB; `null`: nothing is selected. */
  select(selection: Json): void;

  /** Rejected as `lock.held`, with the holder in `detail`, if somebody else has it; or, with
   * `wait`, resolved when it is one's turn. It is kept while the connection lives and over short
   * drops; `lost` tells of its end. */
  lock(resource: string, options?: LockOptions): Promise<HeldLock>;
  unlock(resource: string, token?: number): Promise<Ack>;
  renew(resource: string, token?: number): Promise<HeldLock>;
  /** Out of the queue; what waits is rejected as `lock.unwaited`. */
  unwait(resource: string): Promise<Ack>;
  /** For managers; everybody sees the reason. */
  steal(resource: string, reason: string, options?: { ttl?: number }): Promise<HeldLock>;

  /** That one has seen the room up to a position: to be called as often as one likes. */
  seen(pos?: number): void;

  /** In a replay's room. */
  pause(): Promise<Ack>;
  resume(): Promise<Ack>;
  seek(to: number | string): Promise<Joined>;
  /** What comes next comes at once, however long it was until then. */
  skip(): Promise<Ack>;
  speed(speed: number): Promise<Ack>;

  /** Returns the function that stops listening. */
  on<Name extends keyof RoomEvents>(
    name: Name,
    listener: (detail: RoomEvents[Name]) => void,
  ): () => void;
}

export interface RoomEvents {
  /** In mode `snapshot` it replaces all that one knew; in mode `resume` what was missed follows. */
  joined: Joined;
  /** Durable events: in order, none twice, none missing. */
  event: Event;
  members: Person[];
  /** At most once a screen frame, while any moves. */
  cursors: Cursor[];
  typing: Typing[];
  receipts: ReadonlyMap<string, number>;
  selections: ReadonlyMap<string, Selection>;
  locks: ReadonlyMap<string, Lock>;
  /** A lock of one's own has ended without being asked to. */
  lost: { resource: string; reason?: string; holder?: string; error?: FormulaError };
  /** A replay has shown all up to its end. */
  ended: { room: string; pos: number };
  /** The membership is over: `said` by leave(), `removed`, `closed`, or the code of a refusal. */
  left: { room: string; why: string };
}

export interface LockOptions {
  /** Of the lease: 5,000 to 300,000; 30,000 without it. */
  ttl?: number;
  /** Not released when one leaves the room. */
  keep?: boolean;
  /** In its queue, if somebody holds it; also again after a drop, then at its end. */
  wait?: boolean;
}

/** A refusal. `code` is the server's, as in REST's problem documents, or `client.*`. */
export class FormulaError extends Error {
  readonly code: string;
  readonly detail: { [key: string]: Json };
  /** Seconds; undefined: asking again will not help. */
  readonly retryAfter: number | undefined;
}

// What is in the frames.

export interface Welcome {
  connection: string;
  user: string;
  node: string;
  heartbeat: number;
  limits: { frame: number; rooms: number; replays: number; data: number; cursor: number };
  now: string;
  epoch: string;
}

export interface Joined {
  room: string;
  pos: number;
  epoch: string;
  mode: "snapshot" | "resume";
  participation: string;
  members?: Member[];
  count?: number;
  receipts?: { user: string; pos: number }[];
  locks?: Lock[];
  /** There are more than are listed: the `cursor` of `GET /api/v1/projects/{id}/locks`, and of
   * `GET /api/v1/realtime/rooms/{room}/receipts`, for the rest. */
  more?: { locks?: string; receipts?: string };
  /** The newest events, oldest first; in a snapshot only. */
  recent?: Event[];
  replay?: Rewound;
}

export interface Rewound {
  at: string | null;
  end: number;
  end_at: string | null;
  speed: number;
  paused?: boolean;
  cursors_from?: number;
}

/** `by` is undefined for what the system did itself. */
export interface Event<Data = any> {
  room: string;
  pos: number;
  prev: number;
  type: string;
  by?: string;
  at: string;
  subject: string;
  data: Data;
}

export interface Ack {
  re: string;
  pos?: number;
}

/** One connection of somebody. */
export interface Member {
  participation: string;
  user: string;
  connection?: string;
  status?: string;
  location?: string;
  device?: string;
  /** It dropped a moment ago, and may come back. */
  dropped?: boolean;
}

/** Status and location are those of the most present connection; `away`: all have dropped. */
export interface Person {
  user: string;
  status?: string;
  location?: string;
  away: boolean;
  connections: Member[];
}

export interface Cursor {
  user: string;
  participation: string;
  at: any;
}

export interface Typing {
  user: string;
  participation: string;
  where: string;
}

export interface Selection {
  user: string;
  selection: Json;
}

export interface Lock {
  resource: string;
  holder: string;
  expires: string;
  participation?: string;
  /** Participations that wait for it, the longest first. */
  queue?: string[];
}

/** `token` is the fencing token: send it as `Lock-Token` with REST writes to what is locked. */
export interface HeldLock extends Lock {
  token: number;
}
