import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { combinations, scratchFolder } from '../support/matrix.js';

const folder = scratchFolder();

describe.each(combinations)('on $aio in $home', ({ aio, home }) => {
  test.concurrent('life: workers share a file, and one that is terminated disturbs nobody', async () => {
    const image = join(folder, `${aio}-${home}`);
    writeFileSync(image, Buffer.alloc(1024 * 1024));
    const ended = await runChild('life/workers-child.cjs', [aio, home, image], { limit: 200 });
    expect(ended).toEqual({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  }, 300_000);
});
