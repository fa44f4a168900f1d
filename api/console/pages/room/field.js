/** A text that one person edits at a time: locked with the first key or click, saved while one writes. */

import { Avatar, Icon, ask, colourOf, countdown, failed, html, myId, names, toast, useEffect, useHeard, useHere, useNames, useRef, useState, useStore, useTicks, why } from "./heard.js";

const PAUSE = 600; // milliseconds without a key, after which it is saved
const STEAL = why("Everybody sees the reason.");

/** `of`: the task or document, as `task:<id>`. `save(text, lock)`: returns a promise. */
export function Field({ of, name, label, value, may, single, most = "20000", save }) {
  const room = useStore(useHere().room);
  const resource = `${of}/${name}`;
  const lock = useHeard(room, "locks").get(resource);
  const edit = useEditing(room, resource, name, value, save);
  const mine = lock && lock.participation === room?.joined?.participation;
  const taken = lock && !mine;
  const writes = useHeard(room, "typing").some(({ where }) => where === resource);
  const box = useRef();
  const granted = () => {
    const busy = document.activeElement?.closest("input, textarea");
    if (busy && busy !== box.current) {
      toast(`${label} is free now`);
      return room.unlock(resource).catch(failed);
    }
    edit.begin();
    box.current?.focus();
  };
  const props = {
    ref: box,
    value: edit.draft ?? value,
    readOnly: !may || !room || taken,
    maxlength: most,
    "aria-label": label,
    "aria-describedby": taken ? `${resource}-holder` : undefined,
    onInput: ({ target }) => edit.input(target.value),
    onClick: ({ target }) => target.readOnly || edit.begin(),
    onBlur: edit.end,
    onKeyDown: ({ key, target }) => (key === "Escape" || (single && key === "Enter")) && target.blur(),
  };
  return html`<div class=${names("field", single && "single", mine && "mine", taken && "taken")} style=${taken && { "--by": colourOf(lock.holder) }}>
    ${single ? html`<input ...${props} />` : html`<textarea rows="2" placeholder=${label} ...${props}></textarea>`}
    <div class="field-note" id="${resource}-holder">
      ${taken && html`<${Holder} room=${room} lock=${lock} onGranted=${granted} writes=${writes} />`}
      ${mine && html`<span class="muted"><${Icon} name="lock" /> Yours while you write</span>`}
    </div>
  </div>`;
}

function Holder({ room, lock: { resource, holder, expires }, writes, onGranted }) {
  const model = useHere();
  const name = useNames()(holder);
  const [waits, setWaits] = useState(false);
  const wait = () => {
    setWaits(true);
    room.lock(resource, { wait: true }).then(onGranted, (error) => error.code === "lock.unwaited" || failed(error));
  };
  const giveUp = () => {
    setWaits(false);
    room.unwait(resource).catch(failed);
  };
  const steal = async () => {
    const said = await ask({ title: `Take this over from ${name}`, label: "Take over", ...STEAL });
    if (said) room.steal(resource, said.reason).then(onGranted, failed);
  };
  const own = holder === myId();
  return html`<span class="holder">
      <${Avatar} id=${holder} small />
      <span><b>${own ? "You, in another window," : name}</b> ${writes ? "is writing" : "holds this"} · <${Left} until=${expires} /></span>
    </span>
    ${waits ? html`<button onClick=${giveUp}>Do not wait</button>` : html`<button onClick=${wait}>Wait for it</button>`}
    ${model.can("room.steal") && !own && html`<button onClick=${steal}>Take over</button>`}`;
}

function Left({ until }) {
  useTicks(1_000);
  return html`<time>${countdown(until)}</time>`;
}

function useEditing(room, resource, name, value, save) {
  const [draft, setDraft] = useState();
  const now = useRef({}).current; // what handlers share: draft, lock (a promise), timer
  Object.assign(now, { value, save });

  const store = async () => {
    const { draft: text, lock } = now;
    clearTimeout(now.timer);
    if (text === undefined || text === now.value) return;
    const { token } = await lock;
    await now.save(text, `${name}=${token}`);
  };
  const quit = (error) => {
    now.lock = now.draft = undefined;
    setDraft(undefined);
    if (error) failed(error);
  };
  const begin = () => {
    if (now.lock) return;
    // who comes back at once waits until their last hold has ended
    now.lock = Promise.resolve(now.ending).then(() => room.held.get(resource) ?? room.lock(resource));
    now.lock.catch(quit);
  };
  const input = (text) => {
    begin();
    now.draft = text;
    setDraft(text);
    room.type(resource);
    clearTimeout(now.timer);
    now.timer = setTimeout(() => store().catch(quit), PAUSE);
  };
  const end = () => {
    if (!now.lock) return;
    room.type(resource, false);
    now.ending = finish(now.lock, store());
    now.lock = undefined;
  };
  const finish = async (lock, stored) => {
    const error = await stored.then(() => undefined, (error) => error);
    const held = await lock.catch(() => undefined);
    if (held) await room.unlock(resource, held.token).catch(() => {});
    if (!now.lock) quit(error);
    else if (error) failed(error);
  };
  // whoever leaves while they write has said what they wrote
  useEffect(() => end, []);
  useEffect(() => room?.on("lost", (lost) => lost.resource === resource && quit()), [room, resource]);
  return { draft, begin, input, end };
}
