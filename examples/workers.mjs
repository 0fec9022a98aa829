// Worker threads, each with a disk of its own: an environment with its own loop, graph and ring, so
// that nothing is shared and nobody waits for another.
//
//   node examples/workers.mjs one.img two.img ...
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { BlockBackend } from 'block-backend';

const RUNTIME_MS = 500;
const DEPTH = 16; // requests at a time

async function readAtRandom(blk, until) {
  const buffer = blk.allocate(4096);
  const blocks = Math.floor((await blk.getLength()) / buffer.length);
  let requests = 0;
  while (performance.now() < until) {
    await blk.pread(Math.floor(Math.random() * blocks) * buffer.length, buffer);
    requests += 1;
  }
  return requests;
}

/** What a worker does: opens its disk, keeps it busy, and tells how many requests that were. */
async function work(filename) {
  const file = { driver: 'file', filename };
  const blk = await BlockBackend.open({ driver: 'raw', 'read-only': true, file });
  const until = performance.now() + RUNTIME_MS;
  const readers = Array.from({ length: DEPTH }, () => readAtRandom(blk, until));
  const requests = (await Promise.all(readers)).reduce((sum, some) => sum + some, 0);
  await blk.close();
  parentPort.postMessage({ requests });
}

/** One worker from its start to its end. What it throws, this does. */
async function run(filename) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { filename } });
  const ended = once(worker, 'exit');
  const [{ requests }] = await once(worker, 'message');
  await ended;
  return { filename, requests };
}

if (isMainThread) {
  const filenames = process.argv.slice(2);
  if (filenames.length === 0) {
    console.error('usage: node examples/workers.mjs IMAGE ...');
    process.exit(2);
  }
  for (const { filename, requests } of await Promise.all(filenames.map(run))) {
    console.log(`${filename}: ${requests} reads in ${RUNTIME_MS} ms`);
  }
} else {
  await work(workerData.filename);
}
