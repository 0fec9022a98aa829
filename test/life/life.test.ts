// Every stage of a backend's life, ended in every way, on every engine and home: the process must
// end by itself, with the exit code that the ending gives, without a signal or a word.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { combinations, scratchFolder } from '../support/matrix.js';

const folder = scratchFolder();
const image = join(folder, 'image');
writeFileSync(image, Buffer.alloc(1024 * 1024, 5));

const stages = [
  'created',
  'opened',
  'waiting',
  'in flight',
  'native load',
  'native load without waiting',
  'throttled',
  'throttled in a shared group',
  'parked',
  'draining',
  'closing',
];

/** Stages of which nothing may be lost when all else is done. */
const owing = ['released', 'cancelled', 'parked beside others'];
const peaceful = ['falls off', 'worker falls off'];

/** Exit codes. A worker's ending leaves the main thread, which goes on and says so with 5. */
const endings: Readonly<Record<string, number>> = {
  'falls off': 0,
  throws: 1,
  exits: 7,
  terminated: 5,
  'worker exits': 5,
  'worker falls off': 5,
};

describe.each(combinations)('life on $aio in $home', ({ aio, home }) => {
  for (const stage of [...stages, ...owing]) {
    for (const [ending, code] of Object.entries(endings)) {
      if (owing.includes(stage) && !peaceful.includes(ending)) continue;
      test.concurrent(`life: ${stage}, ${ending}`, async () => {
        const args = [stage, ending, aio, home, image];
        const ended = await runChild('life/child.cjs', args, { exits: ending === 'exits' });
        const said = ending === 'throws' ? /Error: on purpose\n/ : /^$/;
        expect(ended).toEqual({
          code,
          signal: null,
          stdout: '',
          stderr: expect.stringMatching(said),
        });
      }, 300_000);
    }
  }
});
