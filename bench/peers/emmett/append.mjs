// Emmett's appends: so many callers, one event each, each names the version it knows.
// Arguments as one JSON object in, a sample as one JSON line out: see bench/child.py.
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";
import pg from "pg";

const { url, callers, connections, window, streams, event, metadata } = JSON.parse(process.argv[2]);
const pool = new pg.Pool({ connectionString: url, max: connections });
const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
await store.schema.migrate();

const { rows } = await pool.query("SELECT stream_id, stream_position FROM emt_streams");
const versions = new Map(rows.map((row) => [row.stream_id, BigInt(row.stream_position)]));
while (versions.size < streams) versions.set(crypto.randomUUID(), "STREAM_DOES_NOT_EXIST");
const free = [...versions.keys()];

let done = 0, errors = 0, error = "", over = false;

async function append() {
  const at = Math.floor(Math.random() * free.length);
  [free[at], free[free.length - 1]] = [free[free.length - 1], free[at]];
  const stream = free.pop();
  const data = { ...event.data, title: `${event.data.title}, round ${done}` };
  const command = { ...metadata, command_id: crypto.randomUUID() };
  const appended = await store.appendToStream(
    stream, [{ type: event.type, data, metadata: command }],
    { expectedStreamVersion: versions.get(stream) },
  );
  versions.set(stream, appended.nextExpectedStreamVersion);
  free.push(stream);
}

async function call() {
  while (!over) {
    try {
      await append();
      done += 1;
    } catch (failure) {
      errors += 1;
      error ||= String(failure);
    }
  }
}

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const calling = Array.from({ length: callers }, call);
await wait(window.before_s);
const start = performance.now(), before = done;
await wait(window.seconds);
const per_s = (done - before) / ((performance.now() - start) / 1000);
over = true;
await Promise.all(calling);
console.log(JSON.stringify({ values: { per_s }, errors, error }));
process.exit(0);
