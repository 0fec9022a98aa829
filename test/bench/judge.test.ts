// What pairs of runs come to, and what `--check` makes of that.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withFolder } from '../support/blk';
import { evaluate } from '../support/evaluate';

const OURS = { side: 'block-backend', api: 'promise', memory: 'pool' };
const PEER = { side: 'fio', api: 'C', memory: 'fixed buffers' };
const RATIO = {
  name: 'a row',
  ours: OURS,
  theirs: PEER,
  metric: 'iops',
  compare: 'ratio',
  unit: 'x',
};

interface Judged {
  readonly value: number;
  readonly met?: boolean;
  readonly [key: string]: unknown;
}

const judge = (row: object, pairs: object[]): Promise<Judged> =>
  evaluate('bench/lib/judge.mjs', 'm.judge(...input)', [row, pairs]) as Promise<Judged>;

/** Pairs in which ours is so many times theirs. */
const pairsOf = (...ratios: number[]): object[] =>
  ratios.map((ratio, index) => ({
    ours: { iops: ratio * (index + 1), cpu_us_per_io: 1 + index, system_us_per_io: 0.5 },
    theirs: { iops: index + 1, cpu_us_per_io: 2 },
  }));

describe('judging', () => {
  test('bench: a row is the median of the ratios of its pairs', async () => {
    const found = await judge({ ...RATIO, atLeast: 2 }, pairsOf(3, 1, 2, 5, 4));
    expect(found).toMatchObject({
      name: 'a row',
      api: 'promise',
      memory: 'pool',
      peer: PEER,
      value: 3,
      pairs: 5,
      interval: { low: 1, high: 5, confidence: expect.any(Number) },
      cpu_us_per_io: { ours: 3, theirs: 2 },
      system_us_per_io: { ours: 0.5 },
      target: { at: 'at least', value: 2 },
      met: true,
    });
    expect(found.samples).toHaveLength(5);
  });

  test.each([
    [{ atLeast: 3 }, true],
    [{ atLeast: 3.1 }, false],
    [{ atMost: 3 }, true],
    [{ atMost: 2.9 }, false],
    [{}, undefined],
  ])('bench: the target %j is met: %s', async (limits, met) => {
    expect((await judge({ ...RATIO, ...limits }, pairsOf(3))).met).toBe(met);
  });

  test('bench: differences, and values without a peer', async () => {
    const difference = { ...RATIO, metric: 'p99', compare: 'difference', unit: 'ms' };
    const pairs = [{ ours: { p99: 3 }, theirs: { p99: 2.5 } }];
    expect(await judge(difference, pairs)).toMatchObject({ value: 0.5, ours: 3, theirs: 2.5 });
    const alone = { name: 'x', ours: OURS, metric: 'ms', compare: 'value', unit: 'ms' };
    const found = await judge(alone, [{ ours: { ms: 7 } }]);
    expect(found).toMatchObject({ value: 7, ours: 7, cpu_us_per_io: {} });
    expect(found).not.toHaveProperty('theirs');
    expect(found).not.toHaveProperty('peer');
  });
});

describe('the check', () => {
  const record = { ratios: { least: 2, most: 2 } };
  const row = (name: string, low: number, high: number, target?: object): object => ({
    name,
    compare: 'ratio',
    value: (low + high) / 2,
    interval: { low, high },
    target,
  });
  const atMost = { at: 'at most', value: 3 };
  const check = (rows: object[], known: object | null = record): Promise<unknown> =>
    evaluate('bench/lib/recorded.mjs', 'm.check(input.rows, input.known ?? undefined)', {
      rows,
      known,
    });

  test('bench: --check fails only when the whole interval is worse than 0.9 of the record', async () => {
    expect(await check([row('least', 1.0, 1.81)])).toEqual({ worse: [], unknown: [] });
    expect(await check([row('least', 1.0, 1.79)])).toEqual({
      worse: ['least: 1.000 to 1.790 misses 0.9 of the recorded 2'],
      unknown: [],
    });
  });

  test('bench: --check knows where less is better', async () => {
    expect(await check([row('most', 2.21, 9, atMost)])).toEqual({ worse: [], unknown: [] });
    expect(await check([row('most', 2.23, 9, atMost)])).toEqual({
      worse: ['most: 2.230 to 9.000 misses 0.9 of the recorded 2'],
      unknown: [],
    });
  });

  test('bench: --check says what it knows nothing of', async () => {
    const rows = [row('least', 1, 1), row('new', 1, 1), { name: 'skipped', skipped: 'no fio' }];
    expect(await check(rows)).toMatchObject({ unknown: ['new'] });
    expect(await check(rows, null)).toEqual({ worse: [], unknown: ['least', 'new'] });
  });

  test('bench: --check holds values without a peer against their target', async () => {
    const value = (low: number, high: number): object => ({
      ...row('ms', low, high, atMost),
      compare: 'value',
    });
    expect(await check([value(2.9, 9)])).toEqual({ worse: [], unknown: [] });
    expect(await check([value(3.1, 9)])).toEqual({
      worse: ['ms: 3.100 to 9.000 misses the target'],
      unknown: [],
    });
  });

  test('bench: --record keeps ratios of this machine, and those of other rows', async () => {
    await withFolder(async (folder) => {
      const file = join(folder, 'machine.json');
      writeFileSync(file, JSON.stringify({ ratios: { other: 4, least: 1 } }));
      const rows = [
        row('least', 2.1234, 2.1234),
        { ...row('ms', 1, 1), compare: 'value' },
        { name: 'skipped', compare: 'ratio', skipped: 'no fio' },
      ];
      const input = { rows, file };
      await evaluate(
        'bench/lib/recorded.mjs',
        'm.writeRecord(input.rows, { pairs: 7, seconds: 1 }, input.file)',
        input,
      );
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
        machine: expect.any(String),
        cores: expect.any(Number),
        pairs: 7,
        seconds: 1,
        ratios: { other: 4, least: 2.123 },
      });
    });
  });

  test('bench: a machine without a record is no error', async () => {
    const file = '/absent/machine.json';
    expect(existsSync(file)).toBe(false);
    expect(
      await evaluate('bench/lib/recorded.mjs', 'm.readRecord(input) ?? null', file),
    ).toBeNull();
  });
});
