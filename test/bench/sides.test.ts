// The sides of `npm run bench`, on a small file and briefly: that they measure, not what.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from '../support/blk';
import { describeWith, foreignEnv } from '../support/tools';

const MIB = 1024 ** 2;
const SCRIPTS = join(__dirname, '../../bench');

/** strace would trace the sanitizer's library, and slow the child down tenfold. */
const plain = process.env.BLOCK_BACKEND_SANITIZE === undefined;

interface SideOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly nodeOptions?: readonly string[];
}

function runSide(
  name: string,
  settings: object,
  { env = process.env, nodeOptions = [] }: SideOptions = {},
): Promise<Record<string, unknown>> {
  return withFolder(async (folder) => {
    const image = join(folder, 'image.raw');
    writeFileSync(image, Buffer.alloc(4 * MIB, 'x'));
    const common = { image, bytes: 4 * MIB, blockSize: 4096, depth: 4, seconds: 0.1 };
    const args = [
      ...nodeOptions,
      join(SCRIPTS, `sides/${name}.mjs`),
      JSON.stringify({ ...common, ...settings }),
    ];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    return JSON.parse(stdout) as Record<string, unknown>;
  });
}

/** What every side says that makes a load. */
function expectLoad(result: Record<string, unknown>, blockSize = 4096): void {
  const { requests, bytes, iops, cpu_us_per_io: cpu, latency_us: latency } = result;
  expect(requests).toBeGreaterThan(0);
  expect(bytes).toBe((requests as number) * blockSize);
  for (const value of [iops, latency]) expect(value).toBeGreaterThan(0);
  expect(cpu).toBeGreaterThanOrEqual(0);
}

describe('npm run bench', () => {
  test.each([
    ['promises, pool memory', { api: 'promise', memory: 'pool' }],
    ['promises, plain Buffers', { api: 'promise', memory: 'buffer' }],
    ['callbacks', { api: 'callback', memory: 'pool' }],
    ['the synchronous form', { api: 'sync', memory: 'pool', depth: 1 }],
    ['writes', { api: 'promise', memory: 'pool', write: true }],
    ['threads', { api: 'promise', memory: 'pool', aio: 'threads' }],
    ['an IOThread', { api: 'callback', memory: 'pool', home: 'iothread' }],
    ['null-co', { api: 'promise', memory: 'pool', driver: 'null-co', image: undefined }],
    ['three disks and two idle ones', { api: 'promise', memory: 'pool', disks: 3, idle: 2 }],
    ['two disks in turns', { api: 'callback', memory: 'pool', disks: 2, roundRobin: true }],
  ])('bench: our side measures %s', async (_, settings) => {
    expectLoad(await runSide('block-backend', settings));
  });

  test('bench: our side measures large sequential reads', async () => {
    const settings = { api: 'promise', memory: 'pool', blockSize: MIB, sequential: true };
    expectLoad(await runSide('block-backend', settings), MIB);
  });

  test('bench: a side makes as many requests as it is told to', async () => {
    const settings = { api: 'promise', memory: 'pool', depth: 2, most: 320 };
    expect((await runSide('block-backend', settings)).requests).toBeGreaterThanOrEqual(320);
    expect((await runSide('block-backend', settings)).requests).toBeLessThan(320 + 3 * 16);
  });

  test.each(['promise', 'callback', 'sync'])(
    'bench: the side fs measures the form %s',
    async (api) => {
      expectLoad(await runSide('fs', { api, depth: api === 'sync' ? 1 : 4 }));
    },
  );

  test.each([0, 1, 256])('bench: timers are measured at depth %d', async (depth) => {
    expect(await runSide('lateness', { depth })).toMatchObject({
      p99: expect.any(Number),
      ticks: expect.any(Number),
    });
  });

  // An instrumented process has memory of another size, and V8's own is taken for leaked at its exit.
  (plain ? test : test.skip).each(['backend', 'disk', 'request'])(
    'bench: the memory of a %s is measured',
    async (what) => {
      const options = { nodeOptions: ['--expose-gc'] };
      const { resident, heap } = await runSide('resident', { what, few: 10, many: 300 }, options);
      expect({ resident, heap }).toEqual({
        resident: expect.any(Number),
        heap: expect.any(Number),
      });
    },
  );

  test('bench: how long drains take is measured', async () => {
    const { p99, max, drains } = await runSide('drain', { depth: 256 });
    expect(drains).toBeGreaterThan(0);
    expect(p99).toBeGreaterThan(0);
    expect(max).toBeGreaterThanOrEqual(p99 as number);
  });

  test('bench: how long the first backend takes is measured', async () => {
    const { ms, require_ms: required, open_ms: opened } = await runSide('first-open', {});
    expect(required).toBeGreaterThan(0);
    expect(ms).toBeCloseTo((required as number) + (opened as number), 6);
  });

  test('bench: a native load beside JavaScript that blocks is measured', async () => {
    const result = await runSide('producer', { home: 'iothread', seconds: 0.3 });
    expect(result.blocked_ms).toBeGreaterThanOrEqual(50);
    expect(result.p99).toBeGreaterThan(0);
    expect(result.p99).toBeGreaterThanOrEqual(result.p50 as number);
  });
});

describe('npm run bench:graph', () => {
  test('bench: what a disk costs beside others is measured', async () => {
    const script = join(SCRIPTS, 'graph-scale.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--quick', '--json']);
    const { rows } = JSON.parse(stdout) as { rows: { name: string; value?: number }[] };
    expect(rows.map(({ name }) => name)).toEqual(['open', 'change permissions', 'close']);
    expect(rows[0]?.value).toBeGreaterThan(0);
  });
});

describe('npm run bench:cost', () => {
  test('bench: what limits and accounting cost is measured', async () => {
    const script = join(SCRIPTS, 'throttle-cost.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, '--quick', '--json']);
    const { rows } = JSON.parse(stdout) as { rows: { name: string; value: number }[] };
    expect(rows.map(({ name }) => name)).toEqual([
      'neither',
      'limits',
      'accounting',
      'limits and accounting',
    ]);
    for (const { value } of rows) expect(value).toBeGreaterThan(0);
  });
});

describeWith(['qemu-img'], 'npm run bench with qemu-img', () => {
  test.each([
    ['io_uring', {}],
    ['threads', { aio: 'threads' }],
    ['null-co', { driver: 'null-co' }],
  ])('bench: the side qemu-img measures %s', async (_, settings) => {
    expectLoad(await runSide('qemu-img', settings, { env: foreignEnv() }));
  });
});

describeWith(['fio'], 'npm run bench with fio', () => {
  test.each([
    ['random reads', {}],
    ['batches', { batch: 4 }],
    ['random writes', { write: true }],
    ['sequential reads', { sequential: true }],
  ])('bench: the side fio measures %s', async (_, settings) => {
    expectLoad(await runSide('fio', settings, { env: foreignEnv() }));
  });
});

describeWith(['strace'], 'npm run bench with strace', () => {
  (plain ? test : test.skip)('bench: writes of the Node thread are counted', async () => {
    // The workers of this engine write, so the trace cannot be empty.
    const settings = { api: 'promise', memory: 'pool', aio: 'threads' };
    const { calls, elsewhere, requests } = await runSide('write-calls', settings);
    expect(requests).toBeGreaterThan(0);
    expect(elsewhere).toBeGreaterThanOrEqual(requests as number);
    expect(calls).toBe(0);
    const sync = await runSide('write-calls', { api: 'sync', memory: 'pool', depth: 1 });
    expect(sync.requests).toBeGreaterThan(0);
    expect(sync.calls).toBe(0);
  });
});
