// Stops a machine without naming anything that stops machines: node run-child.cjs IMAGE
// Prints how often its disk was flushed by that.
const { AioContext, BlockBackend, RunState } = require('block-backend');

async function main() {
  const [filename] = process.argv.slice(2);
  const context = new AioContext({ home: 'node' });
  const file = { driver: 'file', filename };
  const blk = await BlockBackend.open({ driver: 'raw', file }, { context });
  await blk.pwrite(0, Buffer.alloc(512, 1));
  const flushes = () => context.info().submitted.fdatasync;
  const before = flushes();
  await new RunState().stop();
  console.log(flushes() - before);
  await blk.close();
  await context.close();
}

void main();
