// A real guest: Debian's kernel and busybox in v86, on our disks. `GUEST_CONSOLE=1 node
// test/v86/guest/scenario.mjs <folder> <scenario>` shows one of them.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from '../support/matrix.js';
import { describeWith, foreignEnv } from '../support/tools.js';

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
}

interface Ide {
  readonly roundTrip: RoundTrip;
  readonly media: readonly unknown[];
  readonly moved: readonly boolean[];
  readonly writeCache: boolean;
}

interface Virtio {
  readonly roundTrip: RoundTrip;
  readonly stopped: Stopped;
  readonly reported: {
    readonly status: number;
    readonly output: string;
    readonly around: number;
    readonly actions: readonly string[];
    readonly state: string;
    readonly others: RoundTrip;
  };
  readonly discard: { readonly status: number; readonly zero: boolean };
  readonly slow: { readonly milliseconds: number; readonly throttled: number };
  readonly free: { readonly throttled: number };
  readonly stoppedByOperator: string;
  readonly alive: boolean;
}

/** Boots take half a minute each, and more than one at a time is too much for small machines. */
const LIMIT_MS = 420_000;
const folder = scratchFolder();
const program = join(__dirname, 'guest/scenario.mjs');

async function play<T>(scenario: string): Promise<T> {
  const options = { env: foreignEnv(), timeout: LIMIT_MS, maxBuffer: 2 ** 26 };
  const args = [program, folder, scenario];
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return JSON.parse(stdout) as T;
}

/** What debugfs and e2fsck say of an image that the guest has left. */
async function contentOf(image: string): Promise<string> {
  const path = join(folder, image);
  await promisify(execFile)('e2fsck', ['-f', '-n', path]);
  const options = { encoding: 'buffer', maxBuffer: 2 ** 27 } as const;
  const { stdout } = await promisify(execFile)('debugfs', ['-R', 'cat /data', path], options);
  return createHash('md5').update(stdout).digest('hex');
}

const untouched: RoundTrip = { written: '', read: '' };
const sameTwice = ({ written, read } = untouched) => written !== '' && written === read;

describeWith(['apt-get', 'dpkg-deb', 'e2fsck', 'debugfs'], 'a guest in v86', () => {
  describe('on IDE', () => {
    let seen: Ide;
    beforeAll(async () => {
      seen = await play('ide');
    }, LIMIT_MS);

    test('v86: it boots, makes a file system, writes, syncs, remounts and verifies, past the page cache', async () => {
      expect(sameTwice(seen.roundTrip)).toBe(true);
      expect(await contentOf('ide.img')).toBe(seen.roundTrip.written);
    });

    test('v86: its writes are durable when they end', () => {
      expect(seen.writeCache).toBe(false);
    });

    test('v86: it sees the medium in the drive, the next one, and that there is none', () => {
      expect(seen.media).toEqual(['medium A', 'medium B', 1]);
      expect(seen.moved).toEqual([true, false, true]);
    });
  });

  test(
    'v86: IDE under werror=stop: it pauses, goes on when the fault is gone, and lost nothing',
    async () => {
      const stopped = await play<Stopped>('ideStop');
      expect(stopped).toEqual({
        state: 'io-error',
        iostatus: 'failed',
        events: ['stop', 'STOP', 'RESUME'],
        copied: true,
        intact: true,
        complaints: '',
      });
    },
    LIMIT_MS,
  );

  describe('on virtio', () => {
    let seen: Virtio;
    beforeAll(async () => {
      seen = await play('virtio');
    }, LIMIT_MS);

    test('v86: virtio: a file system past the page cache', () => {
      expect(sameTwice(seen.roundTrip)).toBe(true);
      expect(sameTwice(seen.reported.others)).toBe(true);
    });

    test('v86: virtio without room: it pauses, goes on when there is some, and lost nothing', () => {
      expect(seen.stopped).toEqual({
        state: 'io-error',
        iostatus: 'nospace',
        events: ['stop', 'STOP', 'RESUME'],
        copied: true,
        intact: true,
        complaints: '',
      });
    });

    test('v86: virtio under werror=report: it sees the error, and nothing else breaks', async () => {
      const { status, output, around, actions, state } = seen.reported;
      expect([status, around, state]).toEqual([1, 0, 'running']);
      expect(output).toMatch(/Input\/output error/);
      expect(new Set(actions)).toEqual(new Set(['report']));
      expect(await contentOf('virtio.img')).toBe(seen.reported.others.written);
    });

    test('v86: virtio: what it discards reads as zeroes', () => {
      expect(seen.discard).toEqual({ status: 0, zero: true });
    });

    test('v86: virtio: a limit of 1 MiB/s bears on what it reads, until it is lifted', () => {
      // 3 MiB, of which a tenth of a second's worth is free.
      expect(seen.slow.milliseconds).toBeGreaterThan(2500);
      expect(seen.slow.throttled).toBeGreaterThan(0);
      expect(seen.free.throttled).toBe(0);
    });

    test('v86: it stands still while the machine is stopped, and goes on', () => {
      expect([seen.stoppedByOperator, seen.alive]).toEqual(['paused', true]);
    });
  });
});
