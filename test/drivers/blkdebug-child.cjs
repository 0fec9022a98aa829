// Ends a thread while requests wait at breakpoints: node blkdebug-child.cjs exits|terminated HOME
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { AioContext, BlockBackend, blkdebug } = require('block-backend');

/** Leaves requests that wait in the middle of a partial write, before zeroes and after a write. */
async function suspend(home) {
  const image = { driver: 'null-co', size: 65536 };
  const options = { driver: 'blkdebug', align: 4096, image };
  const context = new AioContext({ home });
  const blk = await BlockBackend.open(options, { context });
  const dbg = blkdebug(blk.root);
  for (const event of [
    'pwritev_rmw_head',
    'pwritev_rmw_after_tail',
    'pwritev_done',
    'pwritev_zero',
  ]) {
    dbg.breakpoint(event, 'gate');
  }
  void blk.pwriteZeroes(32768, 4096);
  void blk.pwrite(100, Buffer.alloc(100));
  void blk.pwrite(8192, Buffer.alloc(100));
  void blk.pwrite(16384, Buffer.alloc(4096));
  while (dbg.suspendedCount('gate') < 4) await new Promise(setImmediate);
}

if (isMainThread) {
  const [ending, home] = process.argv.slice(2);
  if (ending === 'exits') {
    void suspend(home).then(() => process.exit(7));
  } else {
    const worker = new Worker(__filename, { workerData: home });
    worker.once('message', () => {
      void worker.terminate().then(() => process.exit(7));
    });
  }
} else {
  void suspend(workerData).then(() => parentPort.postMessage('suspended'));
}
