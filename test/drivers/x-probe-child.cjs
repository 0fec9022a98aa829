// Ends a thread while requests are held: node x-probe-child.cjs exits|terminated HOME
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend, probe } = require('block-backend');

/** Leaves requests of every kind that wait. */
async function hold(home) {
  const blk = await BlockBackend.open({ driver: 'x-probe' }, { context: new AioContext({ home }) });
  for (const event of ['pread', 'pwrite', 'pwriteZeroes']) probe(blk.root).hold(event, 'gate');
  void blk.pread(0, Buffer.alloc(512));
  void blk.pwrite(0, Buffer.alloc(512));
  void blk.pwriteZeroes(0, 512);
  while (probe(blk.root).held('gate') < 3) await new Promise(setImmediate);
}

if (isMainThread) {
  const [ending, home] = process.argv.slice(2);
  if (ending === 'exits') {
    void hold(home).then(() => process.exit(7));
  } else {
    const worker = new Worker(__filename, { workerData: home });
    worker.once('message', () => {
      void worker.terminate().then(() => process.exit(7));
    });
  }
} else {
  void hold(workerData).then(() => parentPort.postMessage('held'));
}
