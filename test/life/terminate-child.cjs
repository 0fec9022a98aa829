// Terminates workers at moments that nothing chose: node terminate-child.cjs AIO HOME IMAGE SEED
// Each worker is busy with every kind of call, requests and control calls alike. It prints 'done'.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend, drainedAll } = require('block-backend');
const { fileOptions } = require('./stages.cjs');

const WORKERS = 25;

/** xorshift32, from 0 to below `limit`. */
function randomFrom(seed) {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

async function useEverything(context) {
  const blk = await BlockBackend.open(fileOptions(workerData), { context });
  const memory = blk.allocate(4096);
  const forever = new AbortController();
  const parts = [Buffer.alloc(100), memory, new Uint8Array(new SharedArrayBuffer(512))];
  const requests = Promise.allSettled([
    blk.pread(0, memory),
    blk.pwrite(4096, Buffer.alloc(4096)),
    blk.preadv(8192, parts, { signal: forever.signal }),
    blk.flush(),
    blk.pwriteZeroes(65536, 4096),
    blk.getLength(),
  ]);
  try {
    blk.preadSync(0, memory);
  } catch (error) {
    // Another lane may have a drained section right now.
    if (error.code !== 'EDEADLK') throw error;
  }
  context.info();
  blk.root.info();
  const section = await drainedAll();
  const parked = blk.pread(0, memory, { signal: forever.signal }).catch(() => {});
  forever.abort();
  section.end();
  await requests;
  await parked;
  await blk.close();
}

async function work() {
  const context = new AioContext(workerData);
  parentPort.postMessage('there');
  const lanes = Array.from({ length: 4 }, async () => {
    for (;;) await useEverything(context);
  });
  await Promise.all(lanes);
}

async function main() {
  const [aio, home, image, seed] = process.argv.slice(2);
  const random = randomFrom(Number(seed));
  for (let count = 0; count < WORKERS; count += 1) {
    const worker = new Worker(__filename, { workerData: { aio, home, image } });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const spin = process.hrtime.bigint() + BigInt(random(8_000_000));
    while (process.hrtime.bigint() < spin) await new Promise(setImmediate);
    await worker.terminate();
  }
  console.log('done');
}

void (isMainThread ? main() : work());
