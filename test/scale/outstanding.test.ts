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
 * What a round adds, by the median over all pairs of rounds (Theil and Sen): a leak is in every
 * round, while V8 takes and returns pages of its own now and then, which a mean would count.
 */
function slope(rounds: readonly number[]): number {
  const slopes = rounds
    .flatMap((later, at) =>
      rounds.slice(0, at).map((earlier, from) => (later - earlier) / (at - from)),
    )
    .sort((one, other) => one - other);
  return slopes[slopes.length >> 1] as number;
}

describe.each(combinations)('on $aio in $home', ({ aio, home }) => {
  for (const api of ['promise', 'callback']) {
    for (const memory of ['pool', 'plain']) {
      test.concurrent(`scale: 100,000 requests at once (${api}, ${memory} memory)`, async () => {
        const args = [aio, home, image, api, memory];
        const options = { nodeOptions, limit: 250 };
        const ended = await runChild('scale/outstanding-child.cjs', args, options);
        expect(ended).toEqual({
          code: 0,
          signal: null,
          stdout: expect.any(String),
          stderr: '',
        });
        const resident = JSON.parse(ended.stdout) as number[];
        // The first rounds also compile and grow what all share.
        const growth = slope(resident.slice(2));
        if (measures)
          expect({ growth, resident, fits: growth < MIB }).toMatchObject({ fits: true });
      }, 300_000);
    }
  }
});
