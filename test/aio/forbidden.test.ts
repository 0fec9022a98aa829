// Where io_uring is forbidden or missing: 'auto' falls back and says so once, 'io_uring' is refused.
import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { runChild } from '../support/child.js';
import { scratchFolder } from '../support/matrix.js';
import { describeWith } from '../support/tools.js';

const image = join(scratchFolder(), 'image');
writeFileSync(image, Buffer.alloc(1024 * 1024, 5));

interface Seen {
  readonly warnings: number;
  readonly engines: { home: string; aio: string; engine: string; reason: string }[];
  readonly refusals: unknown[];
  readonly features: { engine: string; reason: string; errno: number };
}

const reasons = {
  EPERM: /a seccomp filter forbids io_uring|the sysctl kernel.io_uring_disabled is/,
  ENOSYS: /^kernel .* has no io_uring that can be used .*a seccomp filter hides it \(ENOSYS\)$/,
  ENOMEM: /^no memory for an io_uring: raise the locked-memory limit .*\(ENOMEM\)$/,
};

describeWith(['python3'], 'io_uring forbidden', () => {
  test.concurrent.each(Object.entries(reasons))(
    'aio: threads instead of an io_uring that fails with %s, with one warning per process',
    async (code, reason) => {
      const errno = constants.errno[code as keyof typeof reasons];
      const filter = join(__dirname, '../support/forbid-io-uring.py');
      const ended = await runChild('aio/forbidden-child.cjs', [image], {
        // Without what an instrumented run preloads; the filter gives it to the command.
        wrapper: ['env', '-u', 'LD_PRELOAD', 'python3', filter, String(errno)],
        env: { PRELOAD_LATER: process.env.LD_PRELOAD ?? '' },
      });
      expect(ended).toMatchObject({ code: 0, signal: null });
      expect(ended.stderr.match(/\[BLOCK_AIO_FALLBACK\]/g)).toHaveLength(1);
      expect(ended.stderr).toContain('io_uring is not available, using worker threads: ');
      const all = JSON.parse(ended.stdout) as Seen[];
      expect(all).toHaveLength(3);
      expect(all.reduce((sum, { warnings }) => sum + warnings, 0)).toBe(1);
      for (const { engines, refusals, features } of all) {
        expect(features).toMatchObject({
          engine: 'threads',
          reason: expect.stringMatching(reason),
          flags: 0,
          flagNames: [],
          errno: -errno,
          kernel: expect.stringMatching(/^\d+\.\d+/),
        });
        for (const home of ['node', 'iothread']) {
          const seen = engines.filter((entry) => entry.home === home);
          const fallback = {
            home,
            aio: 'auto',
            engine: 'threads',
            errno: -errno,
            flags: 0,
            byte: 5,
          };
          const chosen = { ...fallback, aio: 'threads', errno: 0, reason: 'it was asked for' };
          const explained = { ...fallback, reason: expect.stringMatching(reason) };
          expect(seen).toEqual([explained, explained, chosen]);
        }
        const refusal = { name: 'BlockError', code, errno: -errno };
        expect(refusals).toEqual([
          { ...refusal, message: expect.stringContaining('io_uring') },
          { ...refusal, message: expect.stringContaining('io_uring') },
        ]);
      }
    },
  );
});
