// The table of rows: what this package has set itself, and that each row says what it measures.
import { evaluate } from '../support/evaluate';

interface Side {
  readonly side: string;
  readonly api: string;
  readonly memory: string;
}

interface Row {
  readonly name: string;
  readonly ours: Side;
  readonly theirs?: Side;
  readonly compare: string;
  readonly metric: string;
  readonly unit: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What must not be loosened: the direction and the value by name. */
const TARGETS: readonly (readonly [string, 'atLeast' | 'atMost', number])[] = [
  ['depth 32 vs fio io_uring', 'atLeast', 1.3],
  ['depth 32 vs qemu-img bench', 'atLeast', 1.7],
  ['depth 32 vs fs.promises', 'atLeast', 7],
  ['depth 32, plain Buffer vs fs.promises', 'atLeast', 5],
  ['depth 32 vs the plain C loop', 'atLeast', 0.8],
  ['depth 1, latency vs the plain C loop', 'atMost', 1.6],
  ['depth 1 vs fs.promises', 'atLeast', 14],
  ['callbacks, depth 32 vs the plain C loop', 'atLeast', 0.9],
  ['preadSync vs fs.readSync', 'atLeast', 1],
  ['O_DIRECT, depth 32 vs fio', 'atLeast', 0.95],
  ['O_DIRECT, depth 32, CPU per request vs fio', 'atMost', 1.5],
  ['null-co, depth 32 vs qemu-img bench', 'atLeast', 1],
  ['null-co, callbacks, depth 32 vs qemu-img bench', 'atLeast', 1.2],
  ['random writes, depth 32 vs fio io_uring', 'atLeast', 1.2],
  ['random writes: pwrite calls of the Node thread', 'atMost', 0],
  ['sequential 1 MiB, depth 4 vs fio', 'atLeast', 0.97],
  ['aio=threads, depth 32 vs qemu-img bench -i threads', 'atLeast', 2],
  ['IOThread, depth 32 vs main loop', 'atLeast', 0.9],
  ['IOThread, native, depth 32: p99 beside blocking JavaScript', 'atMost', 1],
  ['16 backends, depth 2 each, vs one at 32', 'atLeast', 0.95],
  ['16 backends, depth 32 each, vs one at 32', 'atLeast', 0.95],
  ['beside 100 idle backends vs beside 1', 'atLeast', 0.9],
  ['beside 10,000 idle backends vs beside 1', 'atLeast', 0.9],
  ['round robin over 10,000 backends vs one: time', 'atMost', 2],
  ['resident memory per backend', 'atMost', 4096],
  ['resident memory per backend with two nodes', 'atMost', 3 * 4096],
  ['resident memory per request in flight', 'atMost', 1024],
  ['JavaScript heap per request in flight', 'atMost', 300],
  ['drain at depth 256: p99 after the last completion', 'atMost', 1],
  ['first backend open, from require()', 'atMost', 30],
  ['depth 1, timer vs idle', 'atMost', 2],
  ['depth 256, timer vs idle', 'atMost', 2],
];

describe('rows', () => {
  let rows: readonly Row[] = [];

  beforeAll(async () => {
    rows = (await evaluate('bench/rows.mjs', 'm.ROWS')) as Row[];
  });

  test('bench: no target is dropped or loosened', () => {
    const found = rows.flatMap(({ name, atLeast, atMost }) => {
      if (atLeast !== undefined) return [[name, 'atLeast', atLeast]];
      return atMost === undefined ? [] : [[name, 'atMost', atMost]];
    });
    expect(found).toEqual(TARGETS);
  });

  test('bench: every row has a name of its own, and names form and memory of both sides', () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const { name, ours, theirs, compare, metric } of rows) {
      expect({ name, compare }).toEqual({
        name,
        compare: theirs === undefined ? 'value' : expect.stringMatching(/^(ratio|difference)$/),
      });
      expect(metric).not.toBe('');
      for (const side of theirs === undefined ? [ours] : [ours, theirs]) {
        expect(side).toMatchObject({ api: expect.any(String), memory: expect.any(String) });
      }
    }
  });

  test('bench: rows that compare the same sides share their runs', async () => {
    const groups = (await evaluate('bench/lib/rounds.mjs', 'm.groupsOf(input)', rows)) as {
      rows: Row[];
    }[];
    expect(groups.flatMap((group) => group.rows.map(({ name }) => name)).sort()).toEqual(
      rows.map(({ name }) => name).sort(),
    );
    const together = groups.find((group) => group.rows[0]?.name === 'O_DIRECT, depth 32 vs fio');
    expect(together?.rows.map(({ metric }) => metric)).toEqual(['iops', 'cpu_us_per_io']);
  });
});
