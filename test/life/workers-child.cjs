// The main thread and two workers use one file at the same time, each a third of it, while a fourth
// thread that writes into a part of its own is terminated again and again:
//   node workers-child.cjs AIO HOME IMAGE
// Each verifies every byte that it wrote. Prints 'done'.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend } = require('block-backend');
const { fileOptions } = require('./stages.cjs');

const PART = 256 * 1024;
const BLOCK = 4096;
const ROUNDS = 30;
const TERMINATIONS = 5;

/** Writes a part over and over, at full depth, and reads every byte back each time. */
async function work(setup, rounds) {
  const context = new AioContext(setup);
  const blk = await BlockBackend.open(fileOptions(setup), { context });
  const buffers = Array.from({ length: PART / BLOCK }, (_, index) =>
    index % 2 === 0 ? blk.allocate(BLOCK) : Buffer.alloc(BLOCK),
  );
  const start = setup.part * PART;
  for (let round = 0; round < rounds; round += 1) {
    const byte = (setup.part * 50 + round) & 0xff;
    for (const buffer of buffers) buffer.fill(byte);
    await Promise.all(buffers.map((buffer, index) => blk.pwrite(start + index * BLOCK, buffer)));
    for (const buffer of buffers) buffer.fill(~byte);
    await Promise.all(buffers.map((buffer, index) => blk.pread(start + index * BLOCK, buffer)));
    for (const [index, buffer] of buffers.entries()) {
      if (!buffer.every((found) => found === byte)) {
        throw new Error(`part ${setup.part}, round ${round}: block ${index} is wrong`);
      }
    }
  }
  await blk.close();
  await context.close();
}

function startWorker(setup) {
  const worker = new Worker(__filename, { workerData: setup });
  const ended = new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
  const begun = new Promise((resolve) => worker.once('message', resolve));
  return { worker, ended, begun };
}

async function main() {
  const [aio, home, image] = process.argv.slice(2);
  const setup = (part) => ({ aio, home, image, part, rounds: ROUNDS });
  const mates = [1, 2].map((part) => startWorker(setup(part)));
  await Promise.all(mates.map(({ begun }) => begun));
  const victims = async () => {
    for (let count = 0; count < TERMINATIONS; count += 1) {
      const { worker, begun } = startWorker({ ...setup(3), rounds: Number.POSITIVE_INFINITY });
      await begun;
      await new Promise((resolve) => setTimeout(resolve, count));
      await worker.terminate();
    }
  };
  const codes = Promise.all(mates.map(({ ended }) => ended));
  await Promise.all([work(setup(0), ROUNDS), victims()]);
  for (const code of await codes) {
    if (code !== 0) throw new Error(`a worker ended with ${code}`);
  }
  console.log('done');
}

async function mate() {
  parentPort.postMessage('begun');
  await work(workerData, workerData.rounds);
}

void (isMainThread ? main() : mate());
