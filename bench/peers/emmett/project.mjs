// Emmett's projector over its own log: a row an event, in the batches that its consumer pulls.
// Arguments as one JSON object in, a sample as one JSON line out: see bench/child.py.
import { SQL } from "@event-driven-io/dumbo";
import {
  getPostgreSQLEventStore, postgreSQLEventStoreConsumer, postgreSQLRawSQLProjection,
} from "@event-driven-io/emmett-postgresql";
import pg from "pg";

const { url, events, seconds, event, metadata } = JSON.parse(process.argv[2]);
const fresh = new pg.Client({ connectionString: url });
await fresh.connect();
await fresh.query("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
await fresh.end();
const store = getPostgreSQLEventStore(url);
await store.schema.migrate();
const piece = Array.from({ length: 500 }, () => ({ ...event, metadata }));
for (let done = 0; done < events; done += piece.length) {
  await store.appendToStream(crypto.randomUUID(), piece);
}

let done = 0;
const projection = postgreSQLRawSQLProjection({
  name: "shown",
  canHandle: [event.type],
  init: () => SQL`CREATE TABLE IF NOT EXISTS shown (pos bigint PRIMARY KEY, stream text, title text)`,
  evolve: ({ data, metadata: { globalPosition, streamName } }) => {
    done += 1;
    return SQL`INSERT INTO shown VALUES (${globalPosition}, ${streamName}, ${data.title})`;
  },
});
const consumer = postgreSQLEventStoreConsumer({ connectionString: url, pulling: { batchSize: 1000 } });
consumer.projector({ projection, startFrom: "BEGINNING" });
consumer.start().catch((error) => {
  console.log(JSON.stringify({ values: {}, errors: 1, error: String(error) }));
  process.exit(0);
});

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
while (done === 0) await wait(5);
const start = performance.now(), before = done;
while (performance.now() - start < seconds * 1000 && done < events) await wait(5);
const per_s = (done - before) / ((performance.now() - start) / 1000);
console.log(JSON.stringify({ values: { per_s }, errors: 0, error: "" }));
process.exit(0);
