import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { combinations, scratchFolder } from '../support/matrix.js';

// Known to fail now and then on a loaded machine, for a reason not yet found: the first failure is
// shown and the test is run once more. To be removed with the reason.
jest.retryTimes(1, { logErrorsBeforeRetry: true });

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
});
