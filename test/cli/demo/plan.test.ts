import { GenerationMap } from '../../../lib/cli/demo/generation-map';
import { MAX_BLOCKS, overlaps, plannedRequests } from '../../../lib/cli/demo/request-plan';

const LIMIT = { requests: 3000, bytes: 0 };

describe('demo', () => {
  test.each([1, 5, 64, 65, 100_000, 2 ** 38])(
    'demo: a plan stays within an image of %d blocks and repeats with its seed',
    (blocks) => {
      const plan = [...plannedRequests(3, blocks, LIMIT)];
      expect(plan).toEqual([...plannedRequests(3, blocks, LIMIT)]);
      expect(plan.map(({ generation }) => generation)).toEqual(plan.map((_, index) => index + 1));
      const outside = plan.filter(
        ({ first, blocks: length }) =>
          first < 0 || first + length > blocks || length < 1 || length > MAX_BLOCKS,
      );
      expect(outside).toEqual([]);
      const end = Math.max(...plan.map(({ first, blocks: length }) => first + length));
      expect(end).toBeGreaterThan(blocks * 0.95);
      if (blocks > 64) {
        const sizes = new Set(plan.map(({ blocks: length }) => length));
        expect([sizes.has(1), sizes.has(3), sizes.has(MAX_BLOCKS)]).toEqual([true, true, true]);
        expect([...plannedRequests(4, blocks, LIMIT)]).not.toEqual(plan);
      }
    },
  );

  test('demo: without a number of requests a plan ends after the one that reaches the bytes', () => {
    const plan = [...plannedRequests(3, 1000, { requests: undefined, bytes: 1024 ** 2 })];
    const sizes = plan.map(({ blocks }) => blocks * 4096);
    const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
    expect(total).toBeGreaterThanOrEqual(1024 ** 2);
    expect(total - (sizes.at(-1) as number)).toBeLessThan(1024 ** 2);
  });

  test('demo: ranges overlap only if they share a block', () => {
    const range = { first: 10, blocks: 5 };
    for (const [first, blocks, shared] of [
      [9, 1, false],
      [9, 2, true],
      [12, 1, true],
      [14, 9, true],
      [15, 1, false],
      [0, 100, true],
    ] as const) {
      expect(overlaps(range, { first, blocks })).toBe(shared);
      expect(overlaps({ first, blocks }, range)).toBe(shared);
    }
  });

  test('demo: the map of generations tells the last writer and covers what was written', () => {
    const blocks = 3000;
    const map = new GenerationMap(blocks);
    const expected = new Uint32Array(blocks);
    for (const request of plannedRequests(11, blocks, { requests: 60, bytes: 0 })) {
      map.record(request);
      expected.fill(request.generation, request.first, request.first + request.blocks);
    }
    expect(Uint32Array.from({ length: blocks }, (_, block) => map.get(block))).toEqual(expected);
    const written = [...expected.keys()].filter((block) => expected[block] !== 0);
    expect(map.written).toBe(written.length);
    for (const unwritten of [false, true]) {
      let size = 0;
      const covered = [...map.ranges(() => (size++ % 64) + 1, unwritten)].flatMap((range) =>
        Array.from({ length: range.blocks }, (_, index) => range.first + index),
      );
      expect(covered).toEqual(unwritten ? [...expected.keys()] : written);
    }
  });
});
