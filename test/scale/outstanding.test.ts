// 100,000 requests outstanding at once: all complete, and the next 100,000 use the same memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { combinations, scratchFolder } from '../support/matrix.js';

const MIB = 1024 * 1024;

// Every block begins with its number.
const content = Buffer.alloc(MIB);
for (let block = 0; block < MIB / 512; block += 1) content.writeUInt32LE(block, block * 512);
const image = join(scratchFolder(), 'image');
writeFileSync(image, content);

// A sanitizer keeps freed memory for a while.
const measures = process.env.BLOCK_BACKEND_SANITIZE === undefined;

// V8 grows its young generation by tens of MiB as it pleases, and starts threads that do.
const nodeOptions = ['--expose-gc', '--max-semi-space-size=1', '--single-threaded-gc'];

/**
 * What each of the last rounds added, by the median: a leak is in every round for ever, while worker
 * threads and V8 take what they need in the first ones, or in later ones on a busy machine.
 */
function growthOf(rounds: readonly number[]): number {
  const steps = rounds.slice(1).map((bytes, at) => bytes - (rounds[at] as number));
  const last = steps.slice(-4).sort((one, other) => one - other);
  return last[last.length >> 1] as number;
}

describe.each(combinations)('on $aio in $home', ({ aio, home }) => {
  for (const api of ['promise', 'callback']) {
    for (const memory of ['pool', 'plain']) {
      test.concurrent(`scale: 100,000 requests at once (${api}, ${memory} memory)`, async () => {
        const args = [aio, home, image, api, memory, String(measures ? MIB : Infinity)];
        const options = { nodeOptions, limit: 250 };
        const ended = await runChild('scale/outstanding-child.cjs', args, options);
        expect(ended).toEqual({
          code: 0,
          signal: null,
          stdout: expect.any(String),
          stderr: '',
        });
        const resident = JSON.parse(ended.stdout) as number[];
        const growth = growthOf(resident);
        const fits = !measures || growth < MIB;
        expect({ growth, resident, fits }).toEqual({ growth, resident, fits: true });
      }, 300_000);
    }
  }
});
