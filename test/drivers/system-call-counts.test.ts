// How often a file is synced, and in which ways it is zeroed and discarded: as often as by the
// genuine tools. strace sees all of it with threads; what a ring does only the engine counts, whose
// counters are held against strace first.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from '../support/matrix.js';
import { makeImage } from '../support/requests.js';
import { callName, traced } from '../support/strace.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const folder = scratchFolder();
const TRACE = 'fdatasync,fsync,fallocate,ftruncate';

interface Case {
  /** qemu-io's -t, and what it means here. */
  readonly cache: 'writeback' | 'writethrough' | 'unsafe';
  readonly commands: readonly string[];
  /** Of the image, in bytes; 64 KiB otherwise. */
  readonly size?: number;
  readonly requests: string;
}

const repeat = (times: number, what: (index: number) => string): string[] =>
  Array.from({ length: times }, (_, index) => what(index));

const cases: Readonly<Record<string, Case>> = {
  'FUA-6: as many syncs of write-through writes as by qemu-io': {
    cache: 'writethrough',
    commands: [
      ...repeat(5, (index) => `write -P 7 ${index * 4096} 4096`),
      'write -z 0 8192',
      'write -P 8 100 9000',
    ],
    requests: `
      for (let index = 0; index < 5; index += 1) await blk.pwrite(index * 4096, bytes(4096, 7));
      await blk.pwriteZeroes(0, 8192);
      await blk.pwrite(100, bytes(9000, 8));`,
  },
  'FUA-7: as few syncs without flushes as by qemu-io': {
    cache: 'unsafe',
    commands: ['write -f -P 7 0 4096', 'flush', 'write -z -f 0 4096', 'flush'],
    requests: `
      await blk.pwrite(0, bytes(4096, 7), { fua: true });
      await blk.flush();
      await blk.pwriteZeroes(0, 4096, { fua: true });
      await blk.flush();`,
  },
  'FLUSH-3: as many syncs of flushes as by qemu-io': {
    cache: 'writeback',
    commands: ['flush', 'write 0 512', 'flush', 'flush', 'discard 0 4096', 'flush', 'write 0 512'],
    requests: `
      await blk.flush();
      await blk.pwrite(0, bytes(512, 7));
      await blk.flush();
      await blk.flush();
      await blk.pdiscard(0, 4096);
      await blk.flush();
      await blk.pwrite(0, bytes(512, 7));`,
  },
  'FILE-12: zero-writes as often, and in the ways, of qemu-io': {
    cache: 'writeback',
    commands: repeat(6, (index) => `write -z ${index * 5000} 4000`),
    requests: `
      for (let index = 0; index < 6; index += 1) await blk.pwriteZeroes(index * 5000, 4000);`,
  },
  'FILE-13: zero-writes that may unmap as those of qemu-io': {
    cache: 'writeback',
    commands: [...repeat(4, (index) => `write -z -u ${index * 5000} 4000`), 'write -z 0 512'],
    requests: `
      for (let index = 0; index < 4; index += 1) {
        await blk.pwriteZeroes(index * 5000, 4000, { mayUnmap: true });
      }
      await blk.pwriteZeroes(0, 512);`,
  },
  'FILE-13: zero-writes that may unmap do not resize a file that ends inside a sector': {
    cache: 'writeback',
    size: 65500,
    commands: ['write -z -u 32768 32768'],
    requests: 'await blk.pwriteZeroes(32768, 32768, { mayUnmap: true });',
  },
  'FILE-14: discards as those of qemu-io': {
    cache: 'writeback',
    commands: [...repeat(4, (index) => `discard ${index * 5000} 4000`), 'discard 0 65536'],
    requests: `
      for (let index = 0; index < 4; index += 1) await blk.pdiscard(index * 5000, 4000);
      await blk.pdiscard(0, 65536);`,
  },
};

type Counts = Record<string, number>;

function countsOf(calls: readonly string[]): Counts {
  const counts: Counts = {};
  for (const call of calls) counts[call] = (counts[call] ?? 0) + 1;
  return counts;
}

/** What qemu-io does, with threads. */
async function theirs({ cache, commands }: Case, filename: string): Promise<Counts> {
  const scratch = mkdtempSync(join(tmpdir(), 'block-backend-strace-'));
  const log = join(scratch, 'log');
  const strace = ['-f', '-y', '-qq', '-o', log, '-e', `trace=${TRACE}`, '-P', filename];
  const qemuIo = ['qemu-io', '-f', 'raw', '-d', 'unmap', '-i', 'threads', '-t', cache];
  const orders = commands.flatMap((command) => ['-c', command]);
  try {
    const args = [...strace, ...qemuIo, ...orders, filename];
    await promisify(execFile)('strace', args, { env: foreignEnv() });
    const lines = readFileSync(log, 'utf8').split('\n');
    return countsOf(lines.filter((line) => line.includes(filename)).map(callName));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** What we do: as strace sees it, and how many syncs the engine counted. */
async function ours({ cache, requests }: Case, filename: string, aio: string) {
  const noFlush = cache === 'unsafe';
  const { calls, reported } = await traced(
    `const context = new AioContext({ aio: '${aio}' });
    const file = { driver: 'file', filename };
    const options = { discard: 'unmap', cache: { 'no-flush': ${noFlush} } };
    const blk = await BlockBackend.open({ driver: 'raw', file, ...options }, { context });
    blk.writeCache = ${cache !== 'writethrough'};
    const bytes = (length, fill) => Buffer.alloc(length, fill);
    ${requests}
    await blk.close();
    report(context.info().submitted.fdatasync);
    await context.close();`,
    { filename, trace: TRACE },
  );
  return { counts: countsOf(calls), counted: reported[0] as number };
}

describeWith(['strace', 'qemu-io'], 'counts of system calls', () => {
  test.each(Object.keys(cases))('%s', async (title) => {
    const script = cases[title] as Case;
    const image = () => makeImage(folder, 'counted.img', script.size ?? 65536);
    const expected = await theirs(script, image());
    const threads = await ours(script, image(), 'threads');
    expect(threads.counts).toEqual(expected);
    const syncs = expected.fdatasync ?? 0;
    expect(threads.counted).toBe(syncs);
    // The ring syncs past strace; the rest runs on workers and is seen.
    const ring = await ours(script, image(), 'io_uring');
    expect(ring.counted).toBe(syncs);
    const { fdatasync: _, ...seen } = ring.counts;
    const { fdatasync: __, ...others } = expected;
    expect(seen).toEqual(others);
  });
});
