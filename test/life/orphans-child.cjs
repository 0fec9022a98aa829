// Ends while a worker thread of the engine hangs in a system call that never returns: opening a
// FIFO that nobody writes to. node orphans-child.cjs ENDING AIO HOME FIFO
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend } = require('block-backend');

const GOES_ON = 5;

async function hang({ aio, home, fifo }) {
  const context = new AioContext({ aio, home });
  const options = { driver: 'file', filename: fifo, 'read-only': true };
  void BlockBackend.open(options, { context });
  // Until it was handed over.
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const endings = {
  throws: () => {
    throw new Error('on purpose');
  },
  exits: () => process.exit(7),
};

async function main() {
  const [ending, aio, home, fifo] = process.argv.slice(2);
  const setup = { aio, home, fifo };
  if (ending in endings) {
    await hang(setup);
    endings[ending]();
    return;
  }
  const worker = new Worker(__filename, { workerData: setup });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  const blk = await BlockBackend.open({ driver: 'null-co' });
  await blk.pread(0, blk.allocate(512));
  await blk.close();
  process.exitCode = GOES_ON;
}

async function work() {
  await hang(workerData);
  parentPort.postMessage('there');
}

void (isMainThread ? main() : work());
