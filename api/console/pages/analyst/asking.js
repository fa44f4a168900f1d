/** Questions in SQL: what is asked, what is answered, and why not. */

import { useEffect, useState } from "../../lib/html.js";
import { patiently, post } from "../../lib/rest.js";
import { said } from "../../lib/said.js";

// As the server finds them: not in texts, quoted names, comments, nor in a cast.
const PARAMETER = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|::|:([a-zA-Z_]\w*)/g;
export const parametersOf = (sql) => [...new Set([...sql.matchAll(PARAMETER)].map(([, name]) => name).filter(Boolean))];

const WORDS = {
  "analytics.too_slow": "It took more than ten seconds. Name a project or fewer days.",
  "analytics.too_wide": "That is too much for one answer. Ask for fewer columns or rows.",
};
/** In words, with what the database says. */
export const wrong = (error) => `${WORDS[error.code] ?? said(error)} ${error.detail?.reason ?? ""}`;

let last = Promise.resolve(); // one after the other: the server takes few at once

/** The answer to a question, asked anew when it is another or `again` is. */
export function useAnswer(question, again) {
  const [found, setFound] = useState({ busy: true });
  useEffect(() => {
    if (!question.sql) return setFound({ busy: false });
    const left = new AbortController();
    const { signal } = left;
    const done = (what) => signal.aborted || setFound({ busy: false, at: Date.now(), ...what });
    setFound((before) => ({ ...before, busy: true }));
    last = last
      .then(() => signal.aborted || patiently(() => post("/analytics/query", question, { signal })))
      .then((answer) => done({ answer }), (error) => done({ error }));
    return () => left.abort();
  }, [JSON.stringify(question), again]);
  return found;
}

export const isNumber = ({ type }) => /^(int\d|float|numeric)/.test(type);
export const isTime = ({ type }) => /^(date|timestamp)/.test(type);

/** A value as people read it. */
export function written(value) {
  if (value === null) return "";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, "$1 $2");
}
