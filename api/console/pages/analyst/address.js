/** What is asked and how it is drawn, as the page's address has it; parameters begin with `:`. */

export function read(query) {
  const given = [...query].filter(([name]) => name.startsWith(":"));
  return {
    name: query.get("name") ?? "",
    sql: query.get("sql") ?? "",
    parameters: Object.fromEntries(given.map(([name, value]) => [name.slice(1), value || null])),
    drawing: { kind: query.get("kind") ?? "table", x: query.get("x") ?? "", y: query.getAll("y") },
  };
}

export function address({ name = "", sql, parameters = {}, drawing: { kind = "table", x = "", y = [] } = {} }) {
  const given = [
    ["name", name],
    ["sql", sql],
    ...Object.entries(parameters).map(([key, value]) => [`:${key}`, value ?? ""]),
    ["kind", kind === "table" ? "" : kind],
    ["x", x],
    ...y.map((column) => ["y", column]),
  ];
  return `analyst?${new URLSearchParams(given.filter(([key, value]) => value || key.startsWith(":")))}`;
}
