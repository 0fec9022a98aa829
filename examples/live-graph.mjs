// Changes the graph under a disk that is in use: a filter comes and goes, and the disk moves to another
// thread and back. No request fails, and none is lost.
//
//   node examples/live-graph.mjs disk.img        (overwrites the image)
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  drawGraph,
  graphDump,
} from 'block-backend';

const [filename] = process.argv.slice(2);
if (filename === undefined) {
  console.error('usage: node examples/live-graph.mjs IMAGE');
  process.exit(2);
}

await blockdevAdd({ driver: 'file', 'node-name': 'image', filename });
await blockdevAdd({ driver: 'raw', 'node-name': 'disk', file: 'image' });
const blk = await BlockBackend.open('disk', { name: 'drive0' });

const GUESTS = 8;
const blocks = Math.floor((await blk.getLength()) / 4096 / GUESTS);
const stopping = new AbortController();
let writes = 0;

/** Writes a block, reads it back and compares; each guest has blocks of its own. */
async function guest(number) {
  const data = blk.allocate(4096);
  const copy = blk.allocate(4096);
  for (let round = 0; !stopping.signal.aborted; round += 1) {
    const offset = (number * blocks + (round % blocks)) * 4096;
    data.fill(round % 251);
    await blk.pwrite(offset, data);
    await blk.pread(offset, copy);
    if (!data.equals(copy)) throw new Error(`what was written at ${offset} is lost`);
    writes += 1;
  }
}

/** Does something to the disk, and waits until the guests have gone on after it. */
async function under(load, what, change) {
  await change();
  const before = writes;
  while (writes < before + 500) await Promise.race([load, new Promise(setImmediate)]);
  console.log(what);
}

const load = Promise.all(Array.from({ length: GUESTS }, (_, number) => guest(number)));
const reopen = (file) => blockdevReopen([{ driver: 'raw', 'node-name': 'disk', file }]);

await under(load, 'a filter is between the disk and its image:', async () => {
  await blockdevAdd({ driver: 'copy-on-read', 'node-name': 'filter', file: 'image' });
  await reopen('filter');
});
console.log(drawGraph(graphDump(), 'text'));
await under(load, 'it is gone again', async () => {
  await reopen('image');
  await blockdevDel('filter');
});
const thread = new AioContext({ name: 'io0' });
await under(load, `the disk is in ${thread.home} ${thread.name}`, () => blk.setContext(thread));
await under(load, 'it is in the main loop', () => blk.setContext(AioContext.main));

stopping.abort();
await load;
console.log(`${writes} writes, each of them read back`);
await blk.close();
await thread.close();
