import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { combinations, scratchFolder } from '../support/matrix.js';

const folder = scratchFolder();
const image = join(folder, 'image');
writeFileSync(image, Buffer.alloc(1024 * 1024, 5));

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? 1 + Math.floor(Math.random() * 2 ** 31));

describe.each(combinations)('on $aio in $home', ({ aio, home }) => {
  test.concurrent(`life: workers are terminated in the middle of anything (seed ${seed})`, async () => {
    const args = [aio, home, image, String(seed)];
    const ended = await runChild('life/terminate-child.cjs', args, { limit: 200 });
    expect(ended).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  }, 300_000);

  test.concurrent.each(['open', 'move', 'reopen'])(
    'life: what is terminated while its arguments are read does nothing (%s)',
    async (call) => {
      const ended = await runChild('life/half-read-child.cjs', [call, aio, home, image]);
      expect(ended).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
    },
    300_000,
  );
});
