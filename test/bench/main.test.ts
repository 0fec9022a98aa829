// `npm run bench` itself, on few rows, a small file and briefly.
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from '../support/blk';
import { reportOnly } from '../support/leaks';

const MAIN = join(__dirname, '../../bench/main.mjs');
const SMALL = ['--pairs', '2', '--seconds', '0.05', '--megabytes', '4'];

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function bench(...args: string[]): Promise<Ended> {
  const env = { ...process.env, ...reportOnly() };
  try {
    const ended = await promisify(execFile)(process.execPath, [MAIN, ...args], { env });
    return { code: 0, ...ended };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

interface Row {
  readonly name: string;
  readonly value: number;
  readonly interval: { readonly low: number; readonly high: number };
  readonly samples: readonly { ours: { iops: number }; theirs: { iops: number } }[];
}

describe('npm run bench', () => {
  test('bench: a row is measured in pairs, with form, memory and CPU time of both sides', async () => {
    const { code, stdout } = await bench('--only', 'DEPTH 1 vs fs.promises', ...SMALL, '--json');
    expect(code).toBe(0);
    const results = JSON.parse(stdout) as { rows: Row[] };
    expect(results).toMatchObject({
      machine: expect.any(String),
      cores: expect.any(Number),
      node: process.version,
      pairs: 2,
      seconds: 0.05,
      rows: [
        {
          name: 'depth 1 vs fs.promises',
          api: 'promise',
          memory: 'pool',
          peer: { side: 'fs', api: 'promise', memory: 'buffer' },
          metric: 'iops',
          compare: 'ratio',
          target: { at: 'at least', value: 14 },
          cpu_us_per_io: { ours: expect.any(Number), theirs: expect.any(Number) },
          met: expect.any(Boolean),
        },
      ],
    });
    const [{ value, interval, samples }] = results.rows as [Row];
    const ratios = samples.map(({ ours, theirs }) => ours.iops / theirs.iops);
    expect(ratios).toHaveLength(2);
    expect(interval).toMatchObject({ low: Math.min(...ratios), high: Math.max(...ratios) });
    expect(value).toBeCloseTo(((ratios[0] as number) + (ratios[1] as number)) / 2, 9);
  });

  test('bench: the table is for people, and JSON goes to a file beside it', async () => {
    await withFolder(async (folder) => {
      const file = join(folder, 'results.json');
      const { code, stdout } = await bench('--only', 'preadSync', ...SMALL, '--json', file);
      expect(code).toBe(0);
      expect(stdout).toMatch(/form, memory.*ours.*theirs.*result.*interval.*target.*met.*CPU us/);
      expect(stdout).toMatch(/preadSync vs fs.readSync.*sync, pool.*at least 1 x/);
      const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] };
      expect(rows.map(({ name }) => name)).toEqual(['preadSync vs fs.readSync']);
      const again = await bench('--from', file);
      expect(again).toMatchObject({ code: 0, stdout });
    });
  });

  test('bench: --check needs pairs enough, and results that are there', async () => {
    const few = await bench('--check', '--pairs', '6');
    expect(few).toMatchObject({ code: 2, stdout: '' });
    expect(few.stderr).toContain('--check needs at least 7 pairs, not 6');
    await withFolder(async (folder) => {
      const file = join(folder, 'results.json');
      const form = { name: 'x', api: 'sync', memory: 'pool' };
      const kind = { metric: 'ms', compare: 'value', unit: 'ms' };
      const found = { value: 5, ours: 5, pairs: 7, interval: { low: 4, high: 6 } };
      const row = { ...form, ...kind, ...found, cpu_us_per_io: {} };
      const results = (value: number): string =>
        JSON.stringify({ pairs: 7, rows: [{ ...row, target: { at: 'at most', value } }] });
      writeFileSync(file, results(4.5));
      expect(await bench('--from', file, '--check')).toMatchObject({ code: 0 });
      writeFileSync(file, results(3.5));
      const worse = await bench('--from', file, '--check');
      expect(worse.code).toBe(1);
      expect(worse.stderr).toContain('worse than recorded: x: 4.000 to 6.000 misses the target');
    });
  });

  test('bench: options that make no sense are refused', async () => {
    for (const args of [['--pairs', '0'], ['--pairs', '1.5'], ['--seconds', 'x'], ['--what']]) {
      const { code, stderr } = await bench(...args);
      expect({ args, code }).toEqual({ args, code: 2 });
      expect(stderr).toMatch(/^error: /);
    }
    const { code, stderr } = await bench('--only', 'no such row', ...SMALL);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no row has 'no such row' in its name"),
    });
  });

  test('bench: a side that fails fails its rows and the run, not the others', async () => {
    await withFolder(async (folder) => {
      const file = join(folder, 'results.json');
      const row = { name: 'x', api: 'sync', memory: 'pool', compare: 'ratio', failed: 'it broke' };
      writeFileSync(file, JSON.stringify({ pairs: 1, rows: [row] }));
      const { code, stdout } = await bench('--from', file);
      expect(code).toBe(1);
      expect(stdout).toMatch(/x.*failed: it broke/);
    });
  });
});
