/** Questions in SQL, as the address has them, and their answers. */

import { address, patiently, post, said, useAsked } from "../../lib/page.js";

export * from "../../lib/page.js";

// As the server finds them: not in texts, quoted names, comments, nor in a cast.
const PARAMETER = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|::|:([a-zA-Z_]\w*)/g;

/** The parameters of a question, with the values that `valueOf` has for them. */
export function parametersOf(sql, valueOf) {
  const names = [...sql.matchAll(PARAMETER)].map(([, name]) => name).filter(Boolean);
  return Object.fromEntries(names.map((name) => [name, valueOf(name) || null]));
}

export function read(query) {
  const sql = query.get("sql") ?? "";
  return {
    name: query.get("name") ?? "",
    sql,
    parameters: parametersOf(sql, (name) => query.get(`:${name}`)),
    drawing: { kind: query.get("kind") ?? "table", x: query.get("x") ?? "", y: query.getAll("y") },
  };
}

export function question({ name, sql, parameters = {}, drawing }) {
  const given = Object.entries(parameters).map(([key, value]) => [`:${key}`, value]);
  return address(["analyst"], { name, sql, ...drawing, ...Object.fromEntries(given) });
}

const WORDS = {
  "analytics.too_slow": "It took more than ten seconds. Name a project or fewer days.",
  "analytics.row_too_wide": "A row of it is too wide. Ask for less in one cell.",
  "analytics.too_wide": "That is too much for one answer. Ask for fewer columns or rows.",
};
export const wrong = (error) => WORDS[error.code] ?? said(error);

let last = Promise.resolve(); // one after the other: the server takes few at once

/** The answer to a question; that of another is shown until it is there. */
export function useAnswer(asked) {
  const load = (_, signal) => {
    const turn = last.then(() => signal.aborted || !asked.sql || patiently(() => post("/analytics/query", asked, { signal })));
    last = turn.catch(() => {});
    return turn.then((answer) => (answer.rows ? answer : undefined));
  };
  return useAsked(load, JSON.stringify(asked), { keeps: true });
}

export const isNumber = ({ type }) => /^(int\d|float|numeric)/.test(type);
export const isTime = ({ type }) => /^(date|timestamp)/.test(type);

export function written(value) {
  if (value === null) return "";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value).replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d).*$/, "$1 $2");
}
