// A thread with a backend of its own, which ends when it is told to, or is ended.
import { parentPort, workerData } from 'node:worker_threads';
import { AioContext, BlockBackend } from '../../dist/index.mjs';
import { BLOCK, fill, Medium } from './model.mjs';
import { Random } from './random.mjs';

const LANES = 8;
const { aio, home, image, tag, blocks, seed } = workerData;

let ending = false;
let requests = 0;

const problem = (text) => parentPort.postMessage({ type: 'problem', text });

async function lane(blk, content, random, index) {
  const bytes = random.chance(1, 2) ? blk.allocate(BLOCK) : Buffer.alloc(BLOCK);
  const each = blocks / LANES;
  for (let generation = 1; !ending; generation += 2) {
    const block = index * each + random.below(each);
    fill(bytes, tag, block, generation);
    content.begin(block, 1, generation);
    await blk.pwrite(block * BLOCK, bytes);
    content.acknowledge(block, 1, generation);
    const other = random.below(blocks);
    const reading = content.reading(other, 1);
    bytes.fill(0xee);
    await blk.pread(other * BLOCK, bytes);
    const wrong = reading.problem(bytes);
    if (wrong !== undefined) problem(wrong);
    reading.end();
    requests += 2;
  }
}

async function main() {
  const context = new AioContext({ aio, home });
  const file = { driver: 'file', filename: image };
  const blk = await BlockBackend.open({ driver: 'raw', file }, { context });
  const content = new Medium(tag, blocks);
  const random = new Random(seed);
  parentPort.once('message', () => {
    ending = true;
  });
  const lanes = Array.from({ length: LANES }, (_, index) => lane(blk, content, random, index));
  parentPort.postMessage({ type: 'begun' });
  await Promise.all(lanes);
  await blk.close();
  await context.close();
  parentPort.postMessage({ type: 'requests', requests });
}

await main();
