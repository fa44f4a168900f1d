/** What is said about a task; @ and a name tells them. */

import { Ago, Avatar, failed, html, instead, myId, names, useEffect, useHeard, useHere, useNames, useRef, useState, useStore } from "./heard.js";

const NAMED = /(?:^|\s)@([^@\n]{0,40})$/; // what is written of a name before the caret
const MOST = 6;

export function Comments({ task }) {
  const model = useHere();
  const comments = useStore(model.comments).get(task);
  const people = useStore(model.members);
  useEffect(() => void model.openTask(task).catch(failed), [task]);
  return html`<section class="comments" aria-label="Comments">
    <h3>Comments</h3>
    <ol>${comments?.map((one) => html`<${Comment} key=${one.id} ...${one} people=${people} />`)}</ol>
    ${comments?.length === 0 && html`<p class="muted">Nothing is said yet.</p>`}
    <${Typists} where="task:${task}/comment" />
    ${model.can("task.comment") && html`<${Write} task=${task} people=${people} />`}
  </section>`;
}

const Comment = ({ author, body, mentions, created_at, people }) => html`<li class=${names("comment", mentions?.includes(myId()) && "to-me")}>
  <${Avatar} id=${author} small />
  <div>
    <b>${useNames()(author)}</b> <${Ago} at=${created_at} />
    <p>${marked(body, people)}</p>
  </div>
</li>`;

function Typists({ where }) {
  const nameOf = useNames();
  const room = useStore(useHere().room);
  const who = useHeard(room, "typing").filter((one) => one.where === where);
  const all = [...new Set(who.map(({ user }) => nameOf(user)))];
  return html`<p class="typists muted" role="status">
    ${all.length > 0 && `${all.join(", ")} ${all.length > 1 ? "are" : "is"} typing …`}
  </p>`;
}

function Write({ task, people }) {
  const model = useHere();
  const room = useStore(model.room);
  const [text, setText] = useState("");
  const box = useRef();
  const pick = usePicking(people, text, box, setText);
  const where = `task:${task}/comment`;
  const say = () => {
    const body = text.trim();
    if (!body) return;
    setText("");
    room?.type(where, false);
    model.addComment(task, body).catch((error) => {
      setText(body);
      failed(error);
    });
  };
  const input = ({ target }) => {
    setText(target.value);
    pick.look();
    room?.type(where, target.value !== "");
  };
  const keys = (event) => {
    if (pick.keys(event)) return event.preventDefault();
    if (event.key === "Enter" && !event.shiftKey) instead(say)(event);
  };
  const combobox = {
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": pick.found.length > 0,
    "aria-controls": "people-named",
    "aria-activedescendant": pick.found.length ? `named-${pick.at}` : undefined,
  };
  return html`<form class="write" onSubmit=${instead(say)}>
    <textarea
      ref=${box}
      rows="2"
      maxlength="4000"
      value=${text}
      placeholder="Write a comment; @ names somebody"
      aria-label="Comment"
      ...${combobox}
      onInput=${input}
      onKeyDown=${keys}
      onBlur=${() => room?.type(where, false)}
    ></textarea>
    <ul id="people-named" class="named" role="listbox" aria-label="People" hidden=${!pick.found.length}>
      ${pick.found.map(
        ({ user_id, name }, index) => html`<li key=${user_id} id="named-${index}" role="option" aria-selected=${index === pick.at} onMouseDown=${instead(() => pick.take(index))}>
          <${Avatar} id=${user_id} name=${name} small />${name}
        </li>`,
      )}
    </ul>
    <button class="primary" disabled=${!text.trim()}>Comment</button>
  </form>`;
}

/** Names that fit what is written after an @. */
function usePicking(people, text, box, setText) {
  const [begun, setBegun] = useState();
  const [at, setAt] = useState(0);
  const fits = ({ name }) => name && ` ${name.toLowerCase()}`.includes(` ${begun}`);
  const found = begun === undefined ? [] : people.filter(fits).slice(0, MOST);
  const look = () => {
    const { value, selectionStart } = box.current;
    setBegun(NAMED.exec(value.slice(0, selectionStart))?.[1].toLowerCase());
    setAt(0);
  };
  const take = (index) => {
    const { selectionStart } = box.current;
    const before = text.slice(0, selectionStart).replace(/@[^@\n]*$/, `@${found[index].name} `);
    setText(before + text.slice(selectionStart));
    setBegun(undefined);
  };
  const keys = ({ key }) => {
    if (!found.length) return false;
    if (key === "ArrowDown") setAt((at + 1) % found.length);
    else if (key === "ArrowUp") setAt((at + found.length - 1) % found.length);
    else if (key === "Enter" || key === "Tab") take(at);
    else if (key === "Escape") setBegun(undefined);
    else return false;
    return true;
  };
  return { found, at, look, take, keys };
}

function marked(body, people) {
  const all = people.map(({ name }) => name).filter(Boolean).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return body.split(new RegExp(`(@(?:${[...all, "\\w+"].join("|")}))`)).map((part, index) => (index % 2 ? html`<mark>${part}</mark>` : part));
}
