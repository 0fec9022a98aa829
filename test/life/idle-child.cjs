// Opens a backend, uses it, and then does nothing until its standard input says something:
//   node idle-child.cjs AIO HOME IMAGE
// Writes 'idle begins' when it has nothing left to do, for whoever traces its system calls.
const { writeSync } = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { AioContext, BlockBackend } = require('block-backend');
const { fileOptions } = require('./stages.cjs');

const STDERR = 2;

async function main() {
  const [aio, home, image] = process.argv.slice(2);
  const context = new AioContext({ home, aio });
  const blk = await BlockBackend.open(fileOptions({ image }), { context });
  await Promise.all(
    Array.from({ length: 256 }, (_, index) => blk.pread(index * 512, blk.allocate(512))),
  );
  await blk.flush();
  // V8 ends what it does in the background after loading and compiling.
  await sleep(1000);
  process.stdin.once('data', () => {
    process.stdin.destroy();
    void blk.close().then(() => context.close());
  });
  await new Promise(setImmediate);
  writeSync(STDERR, 'idle begins\n');
}

void main();
