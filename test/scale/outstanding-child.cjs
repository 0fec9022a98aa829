// 100,000 requests outstanding at once, in rounds: node --expose-gc outstanding-child.cjs
//   AIO HOME IMAGE promise|callback pool|plain LIMIT
// Prints, for each round, the resident memory after it, in bytes, as a JSON array: until the last
// rounds add less than LIMIT each, or so many rounds later that they never will.
const { setTimeout: sleep } = require('node:timers/promises');
const { AioContext, BlockBackend } = require('block-backend');
const { fileOptions } = require('../life/stages.cjs');

const REQUESTS = 100_000;
const ROUNDS = { least: 6, most: 20, looked: 4 };
const BYTES = 512;
const BLOCKS = 2048;

const [aio, home, image, api, memory, limit] = process.argv.slice(2);

function check(buffer, index) {
  if (buffer.readUInt32LE(0) === index % BLOCKS) return;
  throw new Error(`request ${index} read block ${buffer.readUInt32LE(0)}`);
}

/** Submits one request; `finish` is called when it gave what it should. */
const forms = {
  promise: (blk, buffer, index, finish) =>
    void blk.pread((index % BLOCKS) * BYTES, buffer).then((result) => finish(index, null, result)),
  callback: (blk, buffer, index, finish) =>
    void blk.aio.pread((index % BLOCKS) * BYTES, buffer, (error, result) =>
      finish(index, error, result),
    ),
};

async function round(blk, buffers) {
  const submit = forms[api];
  // In a drained section none starts before all are there; at its end all start at once.
  const section = await blk.drained();
  const all = new Promise((resolve) => {
    let left = REQUESTS;
    const finish = (index, error, result) => {
      if (error !== null) throw error;
      if (result !== BYTES) throw new Error(`request ${index} gave ${result}`);
      check(buffers[index], index);
      left -= 1;
      if (left === 0) resolve();
    };
    for (let index = 0; index < REQUESTS; index += 1) submit(blk, buffers[index], index, finish);
  });
  while (blk.parked !== REQUESTS) await new Promise(setImmediate);
  section.end();
  await all;
}

async function settledMemory() {
  let rss = Number.POSITIVE_INFINITY;
  // What V8 gives back follows its collections with a delay.
  for (let count = 0; count < 3; count += 1) {
    globalThis.gc();
    await sleep(20);
    rss = Math.min(rss, process.memoryUsage.rss());
  }
  return rss;
}

/** What a round adds, by the median of the last steps. */
function growth(resident) {
  const steps = resident.slice(1).map((bytes, at) => bytes - resident[at]);
  const last = steps.slice(-ROUNDS.looked).sort((one, other) => one - other);
  return last[last.length >> 1];
}

async function main() {
  const context = new AioContext({ home, aio });
  const blk = await BlockBackend.open(fileOptions({ image }), { context });
  const make = memory === 'pool' ? () => blk.allocate(BYTES) : () => Buffer.alloc(BYTES);
  const buffers = Array.from({ length: REQUESTS }, make);
  const resident = [];
  while (
    resident.length < ROUNDS.least ||
    (growth(resident) >= Number(limit) && resident.length < ROUNDS.most)
  ) {
    for (const buffer of buffers) buffer.fill(0xff);
    await round(blk, buffers);
    if (blk.inFlight !== 0) throw new Error(`${blk.inFlight} are still counted`);
    resident.push(await settledMemory());
  }
  await blk.close();
  await context.close();
  console.log(JSON.stringify(resident));
}

void main();
