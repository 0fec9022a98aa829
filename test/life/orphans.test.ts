// What neither ends nor lets itself be cancelled is left behind with its memory; all else goes on.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { leavesThread } from '../support/leaks.js';
import { combinations, scratchFolder } from '../support/matrix.js';

const fifo = join(scratchFolder(), 'fifo');
execFileSync('mkfifo', [fifo]);

const endings: Readonly<Record<string, number>> = { throws: 1, exits: 7, terminated: 5 };

describe.each(combinations)('on $aio in $home', ({ aio, home }) => {
  test.concurrent.each(Object.entries(endings))(
    'life: an operation that hangs for ever, %s',
    async (ending, code) => {
      const args = [ending, aio, home, fifo];
      const ended = await runChild('life/orphans-child.cjs', args, {
        exits: ending === 'exits',
        env: leavesThread(),
      });
      const said = ending === 'throws' ? /Error: on purpose\n/ : /^$/;
      expect(ended).toEqual({
        code,
        signal: null,
        stdout: '',
        stderr: expect.stringMatching(said),
      });
    },
    300_000,
  );
});
