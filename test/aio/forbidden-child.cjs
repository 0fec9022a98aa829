// Uses engines where io_uring is forbidden, in the main thread and in two workers at once:
//   node forbidden-child.cjs IMAGE
// Prints what it saw as JSON.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend, hostFeatures } = require('block-backend');
const { fileOptions } = require('../life/stages.cjs');

async function use(image) {
  let warnings = 0;
  process.on('warning', ({ code }) => {
    if (code === 'BLOCK_AIO_FALLBACK') warnings += 1;
  });
  const engines = [];
  for (const home of ['node', 'iothread']) {
    for (const aio of ['auto', 'auto', 'threads']) {
      await using_(new AioContext({ home, aio }), async (context) => {
        const blk = await BlockBackend.open(fileOptions({ image }), { context });
        const buffer = blk.allocate(512);
        await blk.pread(0, buffer);
        await blk.close();
        const { engine, reason, errno, flags } = context.info();
        engines.push({ home, aio, engine, reason, errno, flags, byte: buffer[0] });
      });
    }
  }
  const refusals = ['node', 'iothread'].map((home) => {
    try {
      return new AioContext({ home, aio: 'io_uring' }).info().engine;
    } catch ({ name, code, errno, message }) {
      return { name, code, errno, message };
    }
  });
  // Warnings come from a later tick.
  await new Promise(setImmediate);
  return { warnings, engines, refusals, features: hostFeatures() };
}

async function using_(context, body) {
  await body(context);
  await context.close();
}

async function main() {
  const image = process.argv[2];
  const workers = [1, 2].map(
    () =>
      new Promise((resolve, reject) => {
        const worker = new Worker(__filename, { workerData: image });
        worker.once('message', resolve);
        worker.once('error', reject);
      }),
  );
  console.log(JSON.stringify(await Promise.all([use(image), ...workers])));
}

async function work() {
  parentPort.postMessage(await use(workerData));
}

void (isMainThread ? main() : work());
