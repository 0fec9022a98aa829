// Terminates a worker while native code reads what it was told to do: node half-read-child.cjs CALL AIO HOME IMAGE
// From then on every read of a property fails, so that a description is seen in part. It prints 'done'.
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend } = require('block-backend');
const { environment } = require('../../dist/aio/environment.js');
const { native } = require('../../dist/native.js');
const { fileOptions } = require('./stages.cjs');

/** Tells that it is being read, and never answers. */
function endless() {
  parentPort.postMessage('reading');
  for (;;);
}

const calls = {
  /** The children are lost, which raw cannot do without. */
  open(context, { root }) {
    const options = Object.defineProperty({}, 'offset', { enumerable: true, get: endless });
    const node = { driver: 'raw', name: 'half', detectZeroes: 0 };
    const child = { key: 0, node: root.handle, role: 0, permissions: 0, shared: 15 };
    const slot = environment().ring.slots.take({ settle() {} });
    native.nodeOpen(slot, context.handle, node, options, [child]);
  },

  /** All nodes are lost, the backend is not. */
  move() {
    const elsewhere = new AioContext({ home: 'iothread' });
    const nodes = Object.defineProperty([0], 0, { get: endless });
    native.graphMove(nodes, [], elsewhere.handle);
  },

  /** Options are lost. */
  reopen(_context, { root }) {
    const options = Object.defineProperty({}, 'offset', { enumerable: true, get: endless });
    const slot = environment().ring.slots.take({ settle() {} });
    native.nodeReopenPrepare(slot, root.handle, options, false, false);
  },
};

async function work() {
  const context = new AioContext(workerData);
  const blk = await BlockBackend.open(fileOptions(workerData), { context });
  calls[workerData.call](context, blk);
}

async function main() {
  const [call, aio, home, image] = process.argv.slice(2);
  const worker = new Worker(__filename, { workerData: { call, aio, home, image } });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  console.log('done');
}

void (isMainThread ? main() : work());
