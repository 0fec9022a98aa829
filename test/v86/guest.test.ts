// A real guest: Debian's kernel and busybox in v86, on our disks. One boot for all:
// `npm run test:guest` runs them, `GUEST_CONSOLE=1 node test/v86/guest/scenario.mjs <folder>` shows
// what happens.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runChild } from '../support/child.js';
import { scratchFolder } from '../support/matrix.js';
import { foreignEnv } from '../support/tools.js';

interface RoundTrip {
  readonly written: string;
  readonly read: string;
}

interface Stopped {
  readonly state: string;
  readonly iostatus: string;
  readonly events: readonly string[];
  readonly copied: boolean;
  readonly intact: boolean;
  readonly complaints: string;
  readonly digest: string;
}

interface Reading {
  readonly milliseconds: number;
  readonly throttled: number;
}

interface Seen {
  readonly media: { readonly media: readonly unknown[]; readonly moved: readonly boolean[] };
  readonly floppy: { readonly status: number; readonly written: string };
  readonly discard: { readonly status: number };
  readonly discardedIsZero: boolean;
  readonly virtio: RoundTrip;
  readonly enospc: Stopped;
  readonly report: {
    readonly across: { readonly status: number; readonly output: string };
    readonly before: number;
    readonly actions: readonly string[];
    readonly state: string;
  };
  readonly slow: Reading;
  readonly free: Reading;
  readonly ide: RoundTrip;
  readonly ideIsWriteThrough: boolean;
  readonly ideStop: Stopped;
  readonly standStill: { readonly stopped: string; readonly alive: boolean };
}

/** A boot takes half a minute, and several times that under a sanitizer. */
const LIMIT_MS = 840_000;
const folder = scratchFolder();

/** What debugfs and e2fsck say of an image that the guest has left. */
async function contentOf(image: string): Promise<string> {
  const path = join(folder, image);
  const options = { encoding: 'buffer', maxBuffer: 2 ** 27, env: foreignEnv() } as const;
  await promisify(execFile)('e2fsck', ['-f', '-n', path], options);
  const { stdout } = await promisify(execFile)('debugfs', ['-R', 'cat /data', path], options);
  return createHash('md5').update(stdout).digest('hex');
}

function expectSame({ written, read }: RoundTrip): void {
  expect(written).toMatch(/^[0-9a-f]{32}$/);
  expect(read).toBe(written);
}

const mended = {
  state: 'io-error',
  events: ['stop', 'STOP', 'RESUME'],
  copied: true,
  intact: true,
  complaints: '',
};

/** Why there is no guest: it takes minutes, and is made of what apt downloads. */
function whyNoGuest(): string | undefined {
  if (process.env.BLOCK_BACKEND_TEST_GUEST !== '1') return 'npm run test:guest boots it';
  try {
    const args = [join(__dirname, '../../scripts/guest/image.mjs')];
    execFileSync(process.execPath, args, { env: foreignEnv(), stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const said = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    return said.split('\n').at(-1);
  }
}

const reason = whyNoGuest();
const describeGuest = reason === undefined ? describe : describe.skip;

describeGuest(`a guest in v86${reason === undefined ? '' : ` (${reason})`}`, () => {
  let seen: Seen;
  beforeAll(async () => {
    const limits = { limit: LIMIT_MS / 1000, exits: true };
    const { code, stdout, stderr } = await runChild('v86/guest/scenario.mjs', [folder], limits);
    if (code !== 0) throw new Error(`the scenario ended with ${code}:\n${stderr}`);
    seen = JSON.parse(stdout) as Seen;
  }, LIMIT_MS);

  test('v86: IDE: it boots, makes a file system, writes, syncs, remounts and verifies, past the page cache', () => {
    expectSame(seen.ide);
    expect(seen.ideIsWriteThrough).toBe(true);
  });

  test('v86: virtio: the same, and the host finds it on the disk', async () => {
    expectSame(seen.virtio);
    expect(await contentOf('virtio.img')).toBe(seen.virtio.written);
  });

  test('v86: IDE under werror=stop: it pauses, goes on when the fault is gone, and lost nothing', async () => {
    expect(seen.ideStop).toEqual({ ...mended, iostatus: 'failed', digest: expect.any(String) });
    expect(await contentOf('ide.img')).toBe(seen.ideStop.digest);
  });

  test('v86: virtio without room: it pauses, goes on when there is some, and lost nothing', async () => {
    expect(seen.enospc).toEqual({ ...mended, iostatus: 'nospace', digest: expect.any(String) });
    expect(await contentOf('full.img')).toBe(seen.enospc.digest);
  });

  test('v86: virtio under werror=report: it sees the error, and nothing else breaks', () => {
    const { across, before, actions, state } = seen.report;
    expect([across.status, before, state]).toEqual([1, 0, 'running']);
    expect(across.output).toMatch(/Input\/output error/);
    expect(new Set(actions)).toEqual(new Set(['report']));
    // What came after it on other disks.
    expectSame(seen.ide);
  });

  test('v86: virtio: what it discards reads as zeroes', () => {
    expect([seen.discard.status, seen.discardedIsZero]).toEqual([0, true]);
  });

  test('v86: virtio: a limit of 1 MiB/s bears on what it reads, until it is lifted', () => {
    // 3 MiB, of which a tenth of a second's worth is free.
    expect(seen.slow.milliseconds).toBeGreaterThan(2500);
    expect(seen.slow.throttled).toBeGreaterThan(0);
    expect(seen.free.throttled).toBe(0);
  });

  test('v86: it sees the medium in the drive, the next one, and that there is none', () => {
    expect(seen.media).toEqual({ media: ['medium A', 'medium B', 1], moved: [true, false, true] });
  });

  test('v86: it writes on a floppy that is put in', () => {
    expect(seen.floppy).toEqual({ status: 0, written: 'from the guest' });
  });

  test('v86: it stands still while the machine is stopped, and goes on', () => {
    expect(seen.standStill).toEqual({ stopped: 'paused', alive: true });
  });
});
