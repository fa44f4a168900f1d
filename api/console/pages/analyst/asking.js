/** Questions in SQL: what is asked, what is answered, and why not. */

import { useEffect, useState } from "../../lib/html.js";
import { answered, post } from "../../lib/rest.js";
import { said } from "../../lib/said.js";

const SHOWN = 1_000; // rows that are looked at; an export has more
const EXPORTED = 100_000;
const TRIES = 4; // while others' questions run
const PATIENCE = 5; // seconds

// As the server finds them: not in texts, quoted names, comments, nor in a cast.
const PARAMETER = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|::|:([a-zA-Z_]\w*)/g;
const NEXT = {
  "analytics.too_slow": "It took longer than ten seconds: name a project or a range of days.",
  "analytics.too_wide": "That is too much for one answer: ask for fewer columns or rows.",
  "analytics.not_allowed": "Only what is listed beside this box can be read.",
  "store.overloaded": "Enough questions run at this moment; ask again soon.",
};

export const parametersOf = (sql) => [...new Set([...sql.matchAll(PARAMETER)].map(([, name]) => name).filter(Boolean))];

/** What is wrong with it, in words, with what the database says. */
export const wrong = (error) => [NEXT[error.code] ?? (error.detail?.reason ? "" : said(error)), error.detail?.reason].filter(Boolean).join(" ");

let last = Promise.resolve(); // one after the other: the server takes few at once

function ask(question, signal) {
  const asked = last.then(async () => {
    signal.throwIfAborted();
    for (let left = TRIES; ; left--) {
      try {
        return await post("/analytics/query", { ...question, limit: SHOWN }, { signal });
      } catch (error) {
        if (!left || !(error.retryAfter <= PATIENCE)) throw error;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1_000));
      }
    }
  });
  last = asked.catch(() => {});
  return asked;
}

/** The answer to a question, asked anew when it is another or `again` is.
 * @param {{sql: string, parameters: object}} question
 * @returns {{busy: boolean, answer?: any, error?: any, at?: number, took?: number, stop: () => void}} */
export function useAnswer(question, again) {
  const [state, setState] = useState({ busy: false, stop: () => {} });
  useEffect(() => {
    if (!question.sql.trim()) return setState({ busy: false, stop: () => {} });
    const begun = performance.now();
    const aborted = new AbortController();
    const done = (found) => {
      if (!aborted.signal.aborted) setState({ busy: false, at: Date.now(), took: performance.now() - begun, stop: () => {}, ...found });
    };
    const stop = () => {
      done({});
      aborted.abort();
    };
    setState((before) => ({ ...before, busy: true, stop }));
    ask(question, aborted.signal).then(
      (answer) => done({ answer }),
      (error) => done({ error }),
    );
    return () => aborted.abort();
  }, [JSON.stringify(question), again]);
  return state;
}

/** The response whose body is a file; `X-Truncated` says that there was more. */
export const asFile = (question, format, signal) =>
  answered("POST", "/analytics/query", { body: { ...question, format, limit: EXPORTED }, signal });

const NUMBERS = new Set(["int2", "int4", "int8", "float4", "float8", "numeric"]);
const TIMES = new Set(["date", "timestamptz", "timestamp"]);
export const isNumber = ({ type }) => NUMBERS.has(type);
export const isTime = ({ type }) => TIMES.has(type);

/** A value as people read it. */
export function written(value) {
  if (value === null) return "";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, "$1 $2");
}
