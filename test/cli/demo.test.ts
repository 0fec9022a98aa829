import { createHash } from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { blk, withFolder } from '../support/blk';
import type { Ended } from '../support/ended';
import { describeWith } from '../support/tools';

const MIB = 1024 ** 2;
const PHASE = {
  requests: expect.any(Number),
  bytes: expect.any(Number),
  seconds: expect.any(Number),
  iops: expect.any(Number),
  bytes_per_second: expect.any(Number),
  latency_ns: { p50: expect.any(Number), p99: expect.any(Number), max: expect.any(Number) },
  disk_latency_ns: { avg: expect.any(Number) },
};

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Puts bytes into a file without going through the package. */
function poke(file: string, offset: number, bytes: Uint8Array): void {
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
}

function peek(file: string, offset: number, length: number): Buffer {
  return readFileSync(file).subarray(offset, offset + length);
}

/** An 8 MiB image that a run with seed 7 wrote 400 requests to: nearly all of it. */
async function withWritten(body: (image: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const image = join(folder, 'disk.img');
    writeFileSync(image, Buffer.alloc(8 * MIB));
    const args = ['--write', '--no-verify', '--seed', '7', '--requests', '400'];
    const { code, stdout } = await blk(['demo', image, ...args]);
    expect(code).toBe(0);
    expect(stdout).toContain(`blk demo ${image} --verify-only --seed 7 --requests 400`);
    await body(image);
  });
}

function verify(image: string, requests = 400, seed = 7): Promise<Ended> {
  const args = ['--verify-only', '--seed', String(seed), '--requests', String(requests)];
  return blk(['demo', image, '--json', ...args]);
}

describe('demo', () => {
  test('demo: a scratch image is written, verified to the last byte, and removed', async () => {
    await withFolder(async (folder) => {
      const args = ['demo', '--size', '8M', '--seed', '42', '--json'];
      const { code, stdout, stderr } = await blk(args, { env: { TMPDIR: folder } });
      expect(code).toBe(0);
      // Plain lines, as standard error is no terminal.
      expect(stderr).toMatch(/^write: .*\nverify: .*\n$/);
      expect(JSON.parse(stdout)).toMatchObject({
        mode: 'write+verify',
        size: 8 * MIB,
        seed: 42,
        depth: 32,
        engine: expect.stringMatching(/^(io_uring|threads)$/),
        reason: expect.stringMatching(/./),
        phases: { write: PHASE, verify: PHASE },
        flush_seconds: expect.any(Number),
        verified_bytes: 8 * MIB,
        errors: 0,
        corruptions: [],
      });
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  test.each([
    [['--aio', 'threads']],
    [['--iothread']],
    [['--iothread', '--aio', 'threads', '--depth', '3']],
  ])('demo: %j works alike', async (args) => {
    const { code, stdout } = await blk(['demo', '--size', '2M', ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/errors\s+none in 2 MiB verified/);
    expect(stdout).toMatch(args.includes('--iothread') ? /on an IOThread/ : /on Node's own loop/);
  });

  test('demo: the smallest image there is works', async () => {
    const { code, stdout } = await blk(['demo', '--size', '4K', '--requests', '50']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/errors\s+none in 4 KiB verified/);
  });

  test('demo: an IMAGE is read twice and not touched without --write', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(4 * MIB, 'content'));
      const before = { digest: digest(image), mtime: statSync(image).mtimeMs };
      const { code, stdout } = await blk(['demo', image, '--json']);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        mode: 'read',
        phases: { read: PHASE, reread: PHASE },
        errors: 0,
      });
      expect({ digest: digest(image), mtime: statSync(image).mtimeMs }).toEqual(before);
    });
  });

  test('demo: a read-only IMAGE is enough to read', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(MIB), { mode: 0o400 });
      const { code, stdout } = await blk(['demo', image, '--requests', '20']);
      expect(code).toBe(0);
      expect(stdout).toContain('nothing was written');
    });
  });

  test('demo: an IMAGE with --write is written and verified', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      // Not zeroes, and not a whole number of 4 KiB: the rest stays as it is.
      writeFileSync(image, Buffer.alloc(MIB + 512, 'x'));
      const { code, stdout } = await blk(['demo', image, '--write', '--json']);
      expect(code).toBe(0);
      const { size, errors, verified_bytes: verified } = JSON.parse(stdout);
      expect({ size, errors }).toEqual({ size: MIB, errors: 0 });
      expect(verified).toBeGreaterThan(MIB / 2);
      expect(peek(image, MIB, 512)).toEqual(Buffer.alloc(512, 'x'));
    });
  });

  test('demo: what a run wrote can be verified later', async () => {
    await withWritten(async (image) => {
      const before = digest(image);
      const { code, stdout } = await verify(image);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ mode: 'verify', requests: 400, errors: 0 });
      expect(digest(image)).toBe(before);
    });
  });

  test('demo: every kind of corruption is found and named with its offset', async () => {
    await withWritten(async (image) => {
      const at = MIB;
      const neighbour = peek(image, at + 4096, 512);
      const sector = peek(image, at, 512);
      const torn = Buffer.concat([sector.subarray(0, 256), neighbour.subarray(256)]);
      const flipped = Buffer.from(sector);
      flipped.writeUInt8(flipped.readUInt8(511) ^ 1, 511);
      for (const [bytes, found] of [
        [Buffer.alloc(512), /found zeroes/],
        [neighbour, /found sector 2056 of generation \d+ \(misplaced\)/],
        [torn, /found a damaged or torn sector/],
        [flipped, /found a damaged or torn sector/],
      ] as const) {
        poke(image, at, bytes);
        const { code, stderr, stdout } = await verify(image);
        expect(code).toBe(3);
        expect(stderr).toMatch(found);
        // Sector 2048 begins at 1 MiB.
        expect(stderr).toMatch(/corruption at offset 1048576: expected sector 2048 of generation/);
        expect(JSON.parse(stdout)).toMatchObject({ errors: 1, corruptions: [{ offset: at }] });
      }
      poke(image, at, sector);
      expect((await verify(image)).code).toBe(0);
    });
  });

  test('demo: a write that was lost, and one of another run, are told apart', async () => {
    await withWritten(async (image) => {
      // As if the last requests had never arrived: they are expected and older ones found.
      const lost = await verify(image, 440);
      expect(lost.code).toBe(3);
      expect(lost.stderr).toMatch(/found its generation \d+ \(a lost write\)/);
      const foreign = await verify(image, 400, 8);
      expect(foreign.code).toBe(3);
      expect(foreign.stderr).toMatch(/found sector \d+ of a run with seed 7/);
    });
  });

  test('demo: an interrupted run leaves nothing behind', async () => {
    await withFolder(async (folder) => {
      const args = ['demo', '--size', '64M', '--requests', '100000000', '--runtime', '1m'];
      const { code, signal, stdout } = await blk(args, {
        env: { TMPDIR: folder },
        // After its first line of progress it is in the middle of writing.
        onStart: (child) => child.stderr?.once('data', () => child.kill('SIGINT')),
      });
      expect({ code, signal, stdout }).toEqual({ code: 130, signal: null, stdout: '' });
      expect(readdirSync(folder)).toEqual([]);
    });
  });
});

describeWith(['nbdcopy'], 'demo, over NBD', () => {
  test('demo: nbdcopy reads the same over NBD; without it that is said', async () => {
    const { stdout } = await blk(['demo', '--size', '2M', '--requests', '50']);
    expect(stdout).toMatch(/nbd +served; nbdcopy read the same 2 MiB/);
    const without = await blk(['demo', '--size', '2M', '--requests', '50'], { env: { PATH: '' } });
    expect(without.stdout).toMatch(/nbd +not checked: nbdcopy is not installed/);
    expect(without.code).toBe(0);
  });
});
