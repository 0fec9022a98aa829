// A process that does nothing but requests: node --expose-gc main.mjs AIO DISK MILLIONS FOLDER
// DISK is null-co or file. Prints, after each million, the resident bytes as a JSON array.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AioContext, BlockBackend } from '../../dist/index.mjs';
import { residentBytes } from '../soak/leaks.mjs';

const DEPTH = 32;
const BLOCK = 4096;
const BLOCKS = 4096;
const MILLION = 1_000_000;

const [aio, disk, millions, folder] = process.argv.slice(2);

function diskOptions() {
  if (disk === 'null-co') return { driver: 'null-co', size: BLOCKS * BLOCK };
  const filename = join(folder, `memory-${aio}.img`);
  writeFileSync(filename, Buffer.alloc(BLOCKS * BLOCK, 1));
  readFileSync(filename);
  return { driver: 'raw', file: { driver: 'file', filename } };
}

/** One of those that are under way at the same time. */
async function lane(blk, first, requests) {
  const memory = blk.allocate(BLOCK);
  for (let index = 0; index < requests; index += 1) {
    const block = (first + index * DEPTH) % BLOCKS;
    if ((await blk.pread(block * BLOCK, memory)) !== BLOCK) throw new Error('a read was short');
  }
}

const context = new AioContext({ home: 'node', aio });
const blk = await BlockBackend.open(diskOptions(), { context });
const resident = [];
for (let million = 0; million < Number(millions); million += 1) {
  const lanes = Array.from({ length: DEPTH }, (_, index) => lane(blk, index, MILLION / DEPTH));
  await Promise.all(lanes);
  resident.push(await residentBytes());
}
await blk.close();
await context.close();
if (disk === 'file') rmSync(join(folder, `memory-${aio}.img`));
process.stdout.write(`${JSON.stringify(resident)}\n`);
