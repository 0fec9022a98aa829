import { evaluate } from '../support/evaluate';

const MODULE = 'bench/lib/statistics.mjs';
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** How probable it is that a coin falls so that `low` to `high` of `count` values hold the median. */
function coverage(count: number, low: number, high: number): number {
  let hits = 0;
  for (let fall = 0; fall < 2 ** count; fall += 1) {
    const below = fall.toString(2).replaceAll('0', '').length;
    if (below >= low && below < high) hits += 1;
  }
  return hits / 2 ** count;
}

describe('statistics', () => {
  test('bench: the median of odd and even numbers of values, in any order', async () => {
    const sets = [[3], [9, 1], [5, 1, 3], [4, 1, 3, 2]];
    expect(await evaluate(MODULE, 'input.map(m.median)', sets)).toEqual([3, 5, 3, 2.5]);
  });

  test('bench: the interval of a median has the ranks of the textbooks', async () => {
    // Number of values -> ranks, 95 %.
    const ranks = new Map([
      [6, [1, 6]],
      [7, [1, 7]],
      [8, [1, 8]],
      [9, [2, 8]],
      [10, [2, 9]],
      [11, [2, 10]],
      [12, [3, 10]],
      [15, [4, 12]],
      [20, [6, 15]],
      [25, [8, 18]],
    ]);
    const sets = [...ranks.keys()].map(upTo);
    const found = (await evaluate(MODULE, 'input.map((one) => m.medianInterval(one))', sets)) as {
      low: number;
      high: number;
    }[];
    expect(found.map(({ low, high }) => [low, high])).toEqual([...ranks.values()]);
  });

  test('bench: an interval says how sure it is', async () => {
    const counts = upTo(14);
    const found = (await evaluate(
      MODULE,
      'input.map((one) => m.medianInterval(one))',
      counts.map(upTo),
    )) as { low: number; high: number; confidence: number }[];
    for (const [index, { low, high, confidence }] of found.entries()) {
      const count = index + 1;
      expect(confidence).toBeCloseTo(coverage(count, low, high), 12);
      expect(confidence >= 0.95).toBe(count >= 6);
    }
  });

  test('bench: an interval takes values in any order', async () => {
    const values = [5, 7, 1, 3, 9, 2, 8, 4, 6];
    expect(await evaluate(MODULE, 'm.medianInterval(input)', values)).toMatchObject({
      low: 2,
      high: 8,
    });
  });
});
