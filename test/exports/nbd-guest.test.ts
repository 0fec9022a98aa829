// A guest of QEMU on a disk that is an export, while the export's control side does all that it may.
// `npm run test:nbd-guest` runs it, GUEST_CONSOLE=1 shows the guest's console.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runChild } from '../support/child.js';
import { combinations } from '../support/matrix.js';
import { servedMovably, underControl } from '../support/nbd-control.js';
import { foreignEnv, isInstalled } from '../support/tools.js';
import { until } from '../support/waiting.js';

const MIB = 1 << 20;
const SIZE = 64 * MIB;
/** Without KVM a boot takes ten seconds, and several times that under a sanitizer. */
const LIMIT_MS = 600_000;
const MEBIBYTES = 8;

interface Seen {
  readonly accelerator: string;
  readonly written: string;
  readonly read: string;
  readonly copies: readonly string[];
  readonly trimmed: number;
  readonly kept: readonly string[];
  readonly discarded: { readonly wasZero: boolean; readonly isZero: boolean };
}

/** Why there is no guest: it takes minutes, and is made of what apt downloads. */
function whyNoGuest(): string | undefined {
  if (process.env.BLOCK_BACKEND_TEST_GUEST !== '1') return 'npm run test:nbd-guest boots it';
  if (!isInstalled('qemu-system-x86_64')) return 'qemu-system-x86_64 not found';
  try {
    const program = join(__dirname, '../../scripts/guest/image.mjs');
    execFileSync(process.execPath, [program], { env: foreignEnv(), stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    return said.split('\n').at(-1);
  }
}

/** What e2fsck and debugfs find in the image that the guest has left: the digest of a file. */
async function digestIn(filename: string, path: string): Promise<string> {
  const options = { encoding: 'buffer', maxBuffer: 2 ** 27, env: foreignEnv() } as const;
  await promisify(execFile)('e2fsck', ['-f', '-n', filename], options);
  const { stdout } = await promisify(execFile)('debugfs', ['-R', `cat ${path}`, filename], options);
  return createHash('md5').update(stdout).digest('hex');
}

async function runGuest(socket: string, name: string, mebibytes: number): Promise<Seen> {
  const program = 'exports/nbd-guest-child.mjs';
  const limits = { limit: LIMIT_MS / 1000, exits: true };
  const ended = await runChild(program, [socket, name, String(mebibytes)], limits);
  if (ended.code !== 0) throw new Error(`the guest ended with ${ended.code}:\n${ended.stderr}`);
  return JSON.parse(ended.stdout) as Seen;
}

const reason = whyNoGuest();
const describeGuest = reason === undefined ? describe : describe.skip;

describeGuest(`nbd: a guest of QEMU${reason === undefined ? '' : ` (${reason})`}`, () => {
  test.each(combinations)(
    'nbd: it makes a file system, writes, verifies, deletes and discards under control, from $home on $aio',
    (combination) =>
      servedMovably(combination, SIZE, async ({ server, item, filename, contexts }) => {
        if (server.address.type !== 'unix') throw new Error('no UNIX socket');
        const socket = server.address.path;
        let seen: Seen | undefined;
        await underControl(item, contexts, async () => {
          seen = await runGuest(socket, item.name, MEBIBYTES);
        });
        if (seen === undefined) throw new Error('nothing was seen');
        expect(seen).toMatchObject({
          read: seen.written,
          copies: Array(3).fill(seen.written),
          kept: Array(2).fill(seen.written),
          discarded: { wasZero: false, isZero: true },
        });
        expect(seen.trimmed).toBeGreaterThan(2 * MEBIBYTES * MIB);
        await until(() => item.clients === 0);
        expect(item.backend.stats).toMatchObject({
          failed_rd_operations: 0,
          failed_wr_operations: 0,
          failed_flush_operations: 0,
          failed_unmap_operations: 0,
        });
        expect(item.backend.stats.unmap_operations).toBeGreaterThan(0);
        expect(await digestIn(filename, '/data')).toBe(seen.written);
        expect(await digestIn(filename, '/copy3')).toBe(seen.written);
        // What was discarded takes no space, and reads as zeroes.
        expect(statSync(filename).blocks * 512).toBeLessThan(SIZE / 2);
        const behind = readFileSync(filename).subarray(48 * MIB, 52 * MIB);
        expect(behind.equals(Buffer.alloc(4 * MIB))).toBe(true);
      }),
    LIMIT_MS,
  );
});
