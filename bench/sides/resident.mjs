// What each of many things adds to resident memory, and of that to JavaScript's heap, by the slope from
// `few` to `many` of them. Needs --expose-gc.
//
//   backend   without a medium
//   disk      a backend and its two nodes, raw over file
//   request   in flight, all of them with the same buffer
//
// Without what a process takes once for compiling: requests were made and ended before. And without V8's
// young generation: it grows by some megabytes with what was allocated lately, not with what
// is kept, and after a collection nothing of these things lies there.
import { getHeapSpaceStatistics } from 'node:v8';
import { BlockBackend } from 'block-backend';
import { report, settings } from '../lib/child.mjs';
import { openDisk } from '../lib/disks.mjs';

const MINUTE_NS = 60e9;
const COMPILED_AFTER = 20_000;
const load = settings();
const { what, few, many } = load;

const held = [];

async function requestMaker() {
  const blk = await BlockBackend.open(
    { driver: 'raw', file: { driver: 'null-aio', size: load.bytes, 'latency-ns': MINUTE_NS } },
    { accountRequests: true },
  );
  const buffer = blk.allocate(load.blockSize);
  return () => blk.pread(0, buffer);
}

async function makerOf() {
  if (what === 'backend') return () => new BlockBackend({ accountRequests: true });
  if (what === 'request') return requestMaker();
  return () => openDisk(load);
}

async function compileRequests() {
  const blk = await BlockBackend.open({
    driver: 'raw',
    file: { driver: 'null-co', size: load.bytes },
  });
  const buffer = blk.allocate(load.blockSize);
  for (let count = 0; count < COMPILED_AFTER; count += 1) await blk.pread(0, buffer);
  await blk.close();
}

await compileRequests();
const make = await makerOf();

async function growTo(count) {
  while (held.length < count) {
    const made = make();
    // Requests stay under way; whatever else is made is there before the next.
    held.push(what === 'request' ? made : await made);
  }
}

function settle() {
  return new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
}

/** After four collections: what the first one finalizes is freed by the second, and pages by the others. */
async function memory() {
  for (let i = 0; i < 4; i += 1) {
    await settle();
    globalThis.gc();
  }
  const { rss, heapUsed } = process.memoryUsage();
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return { resident: rss - young.physical_space_size, heapUsed };
}

await growTo(few);
const before = await memory();
await growTo(many);
const after = await memory();
const perItem = (key) => (after[key] - before[key]) / (many - few);
report({ resident: perItem('resident'), heap: perItem('heapUsed') });
process.exit();
