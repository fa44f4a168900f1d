/** A WebSocket that comes back: hello first, then what was not answered yet, in its order. */

const SUBPROTOCOL = "formula.v1.json";
const FIRST_DELAY = 200; // milliseconds, like all times here
const MOST_DELAY = 10_000;
const ANSWER = 10_000; // the welcome, or a pong
const PATIENCE = 30_000; // with refusals that ask to come again later
const MOST_QUEUED = 1_000; // frames without an answer

// Close codes: those that end it, and those that ask for something before the return.
const FINAL = new Set([1000, 1001, 1002, 1003, 1007, 1009, 4003]);
const VANISHED = 1006; // there was no close frame
const CUT = 4000; // said by us to a connection that we give up
const NOT_AUTHENTICATED = 4001;
const FLOODING = 4029;

/** A refusal. `code` is the server's (`lock.held`), or `client.*` for what went wrong here. */
export class FormulaError extends Error {
  constructor(code, detail = {}, retryAfter = undefined) {
    super(Object.keys(detail).length ? `${code} ${JSON.stringify(detail)}` : code);
    this.name = "FormulaError";
    this.code = code;
    this.detail = detail;
    this.retryAfter = retryAfter; // seconds; undefined: asking again will not help
  }
}

export class Link {
  state = "connecting";
  #url;
  #token;
  #client;
  #asked = new Map(); // by id, in the order of asking
  #socket;
  #end = () => {}; // ends the connection there is
  #hurry = () => {}; // ends the wait for the next one
  #used; // the token of the connection
  #stale; // a token that was not accepted
  #refused = 0; // tokens in a row
  #failures = 0; // connections in a row
  #delay = 0; // what the server asks for before the next connection
  #limited = 0; // the same, if it closes for flooding
  #lived = false;
  #heard = 0; // when the newest frame came
  #patience = 0; // how long silence is no reason to ask
  #came = []; // frames that are not yet heard
  #turn; // while others have theirs
  #watching;
  #nudged = () => this.#nudge();

  /** `client`: greet(token) makes the hello, hear(frame) gets all frames, changed() the state. */
  constructor(url, token, client) {
    this.#url = new URL(url).href;
    this.#token = token;
    this.#client = client;
  }

  get queued() {
    return this.#asked.size;
  }

  open() {
    this.#watching = setInterval(() => this.#watch(), 2_000);
    globalThis.addEventListener?.("online", this.#nudged);
    globalThis.document?.addEventListener("visibilitychange", this.#nudged);
    this.#run();
  }

  /** The answer to a frame. It is sent again, under the same id, after a drop.
   *
   * `urgent`: part of coming back, so it does not wait for that, and ends with the connection.
   */
  ask(frame, { urgent = false } = {}) {
    if (this.state === "closed") return Promise.reject(new FormulaError("client.closed"));
    if (this.#asked.size >= MOST_QUEUED)
      return Promise.reject(new FormulaError("client.queue_full", { most: MOST_QUEUED }));
    return new Promise((resolve, reject) => {
      const asked = { frame: { id: newId(), ...frame }, urgent, resolve, reject };
      this.#asked.set(asked.frame.id, asked);
      this.#transmit(asked);
      this.#client.changed();
    });
  }

  /** Send what needs no answer; lost while there is no connection. */
  tell(frame) {
    if (this.state === "live") this.#socket?.send(JSON.stringify(frame));
  }

  /** All rooms are joined again: go on where the last connection ended. */
  ready() {
    if (this.state === "live") return;
    this.#failures = this.#refused = this.#limited = 0;
    this.#lived = true;
    const waiting = [...this.#asked.values()].filter((asked) => !asked.urgent);
    this.#set("live"); // what is asked from now on is sent at once
    for (const asked of waiting) this.#transmit(asked);
  }

  /** For good. */
  close(error = new FormulaError("client.closed")) {
    if (this.state === "closed") return;
    this.state = "closed";
    clearInterval(this.#watching);
    globalThis.removeEventListener?.("online", this.#nudged);
    globalThis.document?.removeEventListener("visibilitychange", this.#nudged);
    this.#end(1000, "");
    this.#hurry();
    this.#fail(() => true, error);
    this.#client.changed(error);
  }

  async #run() {
    while (this.state !== "closed") {
      this.#set(this.#lived ? "resuming" : "connecting");
      const { code, reason } = await this.#once();
      if (this.state === "closed") return;
      if (!this.#returns(code)) return this.close(new FormulaError("client.ended", { code, reason }));
      const dropped = new FormulaError("client.dropped", { code, reason });
      this.#set("offline", dropped);
      this.#fail((asked) => asked.urgent, dropped);
      await this.#pause();
    }
  }

  /** One connection, from the token to its close code. */
  async #once() {
    try {
      this.#used = await this.#token(this.#stale);
    } catch (error) {
      return { code: VANISHED, reason: String(error) };
    }
    if (!this.#used) this.close(new FormulaError("auth.missing"));
    if (this.state === "closed") return {};
    return new Promise((resolve) => this.#connect(resolve));
  }

  #connect(resolve) {
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    [this.#heard, this.#patience] = [Date.now(), 0];
    this.#end = (code, reason) => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      clearTimeout(this.#turn);
      [this.#turn, this.#came] = [undefined, []];
      this.#end = () => {};
      this.#socket = undefined;
      socket.close(code === 1000 ? code : CUT);
      resolve({ code, reason });
    };
    socket.onopen = () => {
      this.#socket = socket;
      socket.send(JSON.stringify(this.#client.greet(this.#used)));
    };
    socket.onmessage = ({ data }) => {
      this.#came.push(JSON.parse(data));
      if (this.#turn === undefined) this.#goOn();
    };
    socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  /** Frames may come many in one task: who waits for a room has its turn before the next of them. */
  #goOn() {
    this.#turn = undefined;
    while (this.#came.length && this.#turn === undefined) {
      const frame = this.#came.shift();
      this.#hear(frame);
      if (frame.op === "joined" && frame.re) this.#turn = setTimeout(() => this.#goOn());
    }
  }

  #hear(frame) {
    this.#heard = Date.now();
    if (frame.op === "welcome") this.#patience = frame.heartbeat;
    if (frame.op === "expiring") this.#renew();
    if (frame.op === "closing") this.#delay = frame.retry_after * 1_000;
    if (frame.op === "err" && frame.code === "rate.limited")
      this.#limited = (frame.retry_after ?? 0) * 1_000;
    this.#client.hear(frame);
    if (frame.re) this.#answered(frame);
  }

  #answered(frame) {
    const asked = this.#asked.get(frame.re);
    if (!asked || this.#later(asked, frame)) return;
    this.#asked.delete(frame.re);
    if (frame.op === "err")
      asked.reject(new FormulaError(frame.code, frame.detail, frame.retry_after));
    else asked.resolve(frame);
    this.#client.changed();
  }

  /** Whether it is asked once more, since the refusal is one that passes. */
  #later(asked, { op, retry_after: seconds }) {
    if (op !== "err" || seconds === undefined) return false;
    asked.until ??= Date.now() + PATIENCE;
    if (Date.now() + seconds * 1_000 > asked.until) return false;
    setTimeout(() => this.#asked.has(asked.frame.id) && this.#transmit(asked), seconds * 1_000);
    return true;
  }

  #transmit({ frame, urgent }) {
    if (this.state === "live" || urgent) this.#socket?.send(JSON.stringify(frame));
  }

  /** Another token for the connection there is, live already or not: it may end before it is.
   *  Without one the server ends it, and says so. */
  async #renew() {
    const socket = this.#socket;
    try {
      this.#used = await this.#token(this.#used);
    } catch {
      return;
    }
    if (this.#used && socket === this.#socket)
      socket?.send(JSON.stringify({ op: "token", token: this.#used }));
  }

  /** Whether to come back after that close code. */
  #returns(code) {
    if (code === FLOODING) this.#delay = Math.max(this.#delay, this.#limited);
    if (code !== NOT_AUTHENTICATED) return !FINAL.has(code);
    this.#stale = this.#used;
    return ++this.#refused < 2;
  }

  /** Wait as long as the server asked for, and never all at once (full jitter). */
  #pause() {
    const most = Math.min(MOST_DELAY, FIRST_DELAY * 2 ** this.#failures++);
    const delay = Math.max(this.#delay, Math.random() * most);
    this.#delay = 0;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** A peer that vanished without a word is noticed by its silence. */
  #watch() {
    const silent = Date.now() - this.#heard;
    if (silent > this.#patience + ANSWER) this.#end(VANISHED, "silent");
    else if (this.#patience && silent > this.#patience) this.tell({ op: "ping" });
  }

  /** The network came back, or the page: see whether the connection did as well. */
  #nudge() {
    this.#hurry();
    this.#heard = Math.min(this.#heard, Date.now() - this.#patience);
    this.tell({ op: "ping" });
  }

  #fail(which, error) {
    for (const [id, asked] of this.#asked)
      if (which(asked)) {
        this.#asked.delete(id);
        asked.reject(error);
      }
  }

  #set(state, error) {
    this.state = state;
    this.#client.changed(error);
  }
}

/** A random UUID; crypto.randomUUID is not there on pages without TLS. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4 (RFC 9562, 5.4)
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
