/** What moves in a room and is soon over: cursors that glide, typing marks, selections. */

const CURSOR_GONE = 10_000; // milliseconds of silence, as the server counts
const TYPING_GONE = 6_000;
const GLIDE_LEAST = 40; // a glide takes as long as the frame before it was away
const GLIDE_MOST = 300;
const GLIDING = ["x", "y"]; // the coordinates that glide; where another differs the cursor jumps

/** The others' cursors by participation, each on its way from where it was seen to where it is. */
export class Cursors {
  #all = new Map();
  #changed;
  #waiting = false; // for the next frame
  #timer;

  constructor(changed) {
    this.#changed = changed;
  }

  get list() {
    return [...this.#all].map(([participation, { user, at }]) => ({ user, participation, at }));
  }

  move(participation, user, to) {
    const now = performance.now();
    const known = this.#all.get(participation);
    const takes = known && glides(known.at, to) ? clamped(now - known.moved) : 0;
    const from = takes ? known.at : to;
    this.#all.set(participation, { user, from, to, at: from, moved: now, takes });
    this.#next();
  }

  drop(participation) {
    if (this.#all.delete(participation)) this.#next();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#all.clear();
  }

  /** In step with the screen where there is one; a page in the background has no steps. */
  #next() {
    if (this.#waiting) return;
    this.#waiting = true;
    const step = () => {
      this.#waiting = false;
      this.#step(performance.now());
    };
    if (globalThis.requestAnimationFrame) requestAnimationFrame(step);
    else setTimeout(step, 16);
  }

  #step(now) {
    let gliding = false;
    let oldest = now;
    for (const [participation, one] of this.#all) {
      if (now - one.moved >= CURSOR_GONE) this.#all.delete(participation);
      else oldest = Math.min(oldest, one.moved);
      const part = one.takes ? Math.min(1, Math.max(0, now - one.moved) / one.takes) : 1;
      one.at = part < 1 ? between(one.from, one.to, part) : one.to;
      gliding ||= part < 1;
    }
    this.#changed();
    clearTimeout(this.#timer);
    if (gliding) this.#next();
    else if (this.#all.size)
      this.#timer = setTimeout(() => this.#next(), oldest + CURSOR_GONE - now);
  }
}

/** Marks by participation that go by themselves after `gone` milliseconds. */
export class Marks {
  #all = new Map();
  #changed;
  #gone;

  constructor(changed, gone = TYPING_GONE) {
    this.#changed = changed;
    this.#gone = gone;
  }

  get list() {
    return [...this.#all].map(([participation, { value }]) => ({ participation, ...value }));
  }

  set(participation, value) {
    clearTimeout(this.#all.get(participation)?.timer);
    const timer = setTimeout(() => this.drop(participation), this.#gone);
    this.#all.set(participation, { value, timer });
    this.#changed();
  }

  drop(participation) {
    clearTimeout(this.#all.get(participation)?.timer);
    if (this.#all.delete(participation)) this.#changed();
  }

  clear() {
    for (const { timer } of this.#all.values()) clearTimeout(timer);
    this.#all.clear();
  }
}

/** At most one call in `every` milliseconds, the first at once, the newest always. */
export class Paced {
  #send;
  #every;
  #newest;
  #timer;

  constructor(send, every) {
    this.#send = send;
    this.#every = every;
  }

  push(value) {
    this.#newest = { value };
    if (this.#timer === undefined) this.#flush();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#newest = undefined;
  }

  #flush() {
    this.#timer = undefined;
    if (!this.#newest) return;
    this.#send(this.#newest.value);
    this.#newest = undefined;
    this.#timer = setTimeout(() => this.#flush(), this.#every);
  }
}

function glides(from, to) {
  const others = (at) => JSON.stringify(Object.entries(at).filter(([key]) => !GLIDING.includes(key)));
  const numbers = (at) => GLIDING.every((key) => typeof at[key] === "number");
  return isObject(from) && isObject(to) && numbers(from) && numbers(to) && others(from) === others(to);
}

function between(from, to, part) {
  const on = (key) => from[key] + (to[key] - from[key]) * part;
  return { ...to, ...Object.fromEntries(GLIDING.map((key) => [key, on(key)])) };
}

const isObject = (value) => typeof value === "object" && value !== null;
const clamped = (takes) => Math.min(GLIDE_MOST, Math.max(GLIDE_LEAST, takes));
