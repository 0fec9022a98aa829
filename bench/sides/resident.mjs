// What each of many things adds to resident memory, and of that to JavaScript's heap, by the slope from
// `few` to `many` of them. Needs --expose-gc.
//
//   backend   without a medium
//   disk      a backend and its two nodes, raw over file
//   request   in flight, all of them with the same buffer
import { BlockBackend } from 'block-backend';
import { report, settings } from '../lib/child.mjs';
import { openDisk } from '../lib/disks.mjs';

const MINUTE_NS = 60e9;
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

/** After two collections, as what the first one finalizes is freed by the second. */
async function memory() {
  for (let i = 0; i < 2; i += 1) {
    await settle();
    globalThis.gc();
  }
  const { rss, heapUsed } = process.memoryUsage();
  return { rss, heapUsed };
}

await growTo(few);
const before = await memory();
await growTo(many);
const after = await memory();
const perItem = (key) => (after[key] - before[key]) / (many - few);
report({ resident: perItem('rss'), heap: perItem('heapUsed') });
process.exit();
