// BullMQ on Redis or on its Postgres backend: how fast one worker drains a queue of jobs that do
// nothing, how fast they are added in bulk, how late one is picked up, and when another worker
// takes over from one that was killed.
// Arguments as one JSON object in, a sample as one JSON line out: see bench/child.py.
import { spawn } from "node:child_process";
import { createPostgresBackend, Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const { url, part, jobs, concurrency, rate, window } = JSON.parse(process.argv[2]);
const name = process.env.HOLDS ?? `bench-${crypto.randomUUID()}`;
const onRedis = url.startsWith("redis");
const made = (kind, ...args) => {
  const connection = onRedis ? new Redis(url, { maxRetriesPerRequest: null })  : { connectionString: url, migrate: true };
  const options = { ...args.pop(), connection };
  return onRedis ? new kind(name, ...args, options)
    : new kind(name, ...args, options, createPostgresBackend);
};
const queue = made(Queue, {});
await queue.waitUntilReady();
const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const seconds = (since) => (performance.now() - since) / 1000;
const PAGE = 1000;
let errors = 0, error = "";

async function addAll() {
  for (let start = 0; start < jobs; start += PAGE) {
    const size = Math.min(PAGE, jobs - start);
    await queue.addBulk(Array.from({ length: size }, (_, n) => ({ name: "ping", data: { n } })));
  }
}

async function drain() {
  await addAll();
  let left = jobs, first = 0;
  const worker = made(Worker, async () => { first ||= performance.now(); }, { concurrency });
  await new Promise((resolve) => worker.on("completed", () => --left || resolve()));
  const per_s = jobs / seconds(first);
  await worker.close();
  return { per_s };
}

async function enqueue() {
  const start = performance.now();
  await addAll();
  return { per_s: jobs / seconds(start) };
}

async function pickup() {
  const late = { pickup: [], due: [] }, begun = performance.now();
  let ran = 0;
  const worker = made(Worker, async ({ data }) => {
    ran += 1;
    if (data.due - begun <= window.before_s * 1000) return;
    late.pickup.push(performance.now() - data.added);
    late.due.push(performance.now() - data.due);
  }, { concurrency });
  await worker.waitUntilReady();
  const adding = [];
  for (let n = 0; n < rate * (window.before_s + window.seconds); n++) {
    const due = begun + (n * 1000) / rate;
    while (performance.now() < due) await wait((due - performance.now()) / 1000);
    adding.push(queue.add("ping", { due, added: performance.now() }));
  }
  await Promise.all(adding);
  await wait(0.5);
  await worker.close();
  if (ran !== adding.length) [errors, error] = [1, `${ran} of ${adding.length} jobs were picked up`];
  const percents = [1, 10, 25, 50, 75, 90, 95, 99, 99.9]; // as bench/load/distribution.py's
  return Object.fromEntries(Object.entries(late).flatMap(([name, found]) => {
    found.sort((a, b) => a - b);
    const at = (share) => found[Math.min(found.length - 1, Math.floor(found.length * share))];
    return percents.map((one) => [`${name} p${one}`, at(one / 100)]);
  }));
}

// The first worker is a process of its own, which holds the jobs and is killed; all by default.
async function takeover() {
  if (process.env.HOLDS) {
    await made(Worker, () => wait(600), { concurrency: jobs }).waitUntilReady();
    return new Promise(() => {});
  }
  const holder = spawn(process.execPath, [process.argv[1], process.argv[2]], {
    env: { ...process.env, HOLDS: name }, stdio: "ignore",
  });
  await addAll();
  while ((await queue.getActiveCount()) < jobs) await wait(0.05);
  holder.kill("SIGKILL");
  const killed = performance.now();
  let left = jobs;
  await new Promise((resolve) => {
    made(Worker, async () => { --left || resolve(); }, { concurrency: jobs });
  });
  return { seconds: seconds(killed) };
}

const values = await { takeover, drain, enqueue, pickup }[part]();
console.log(JSON.stringify({ values, errors, error }));
process.exit(0);
