/** What is asked and how it is drawn, as the page's address has it; parameters begin with `:`. */

export function read(query) {
  const given = [...query].filter(([name]) => name[0] === ":");
  return {
    name: query.get("name") ?? "",
    sql: query.get("sql") ?? "",
    parameters: Object.fromEntries(given.map(([name, value]) => [name.slice(1), value || null])),
    drawing: { kind: query.get("kind") ?? "table", x: query.get("x") ?? "", y: query.getAll("y") },
  };
}

export function address({ name, sql, parameters = {}, drawing: { kind, x, y = [] } = {} }) {
  const asked = [["name", name], ["sql", sql], ["kind", kind], ["x", x], ...y.map((one) => ["y", one])];
  const given = Object.entries(parameters).map(([key, value]) => [`:${key}`, value ?? ""]);
  return `analyst?${new URLSearchParams([...asked.filter(([, value]) => value), ...given])}`;
}
