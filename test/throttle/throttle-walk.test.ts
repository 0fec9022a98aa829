// Random throttle groups. BLOCK_BACKEND_TEST_SEED repeats them, BLOCK_BACKEND_TEST_STEPS makes more of
// them: each has a seed of its own, from the first one upwards.
import { randomInt } from 'node:crypto';
import { BucketModel } from './bucket-model.js';
import { ThrottleModel } from './throttle-model.js';
import { ThrottleWalk, type WalkResult } from './throttle-walk.js';

const MS = 1_000_000;

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? randomInt(2 ** 31));
const count = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 300);

describe('the model itself', () => {
  /** When reads of one member go on that all come at once. */
  function times(limits: Record<string, number>, reads: number, bytes: number): number[] {
    const model = new ThrottleModel();
    model.configure(limits);
    model.join('a');
    for (let name = 0; name < reads; name += 1) {
      model.submit('a', { name: `${name}`, direction: 'read', bytes });
    }
    model.advanceTo(100_000 * MS);
    return model.log.map(({ when }) => when);
  }

  test('a bucket leaks, fills and cuts its wait', () => {
    const bucket = new BucketModel();
    bucket.configure({ b: 150, 'b-max': 15 }, 'b');
    bucket.pour(15);
    expect(bucket.wait()).toBe(0);
    bucket.pour(0.5);
    expect(bucket.wait()).toBe(3_333_333);
    bucket.leak(6_666_666);
    expect(bucket.wait()).toBe(0);
  });

  test('a burst lasts until its bucket is full', () => {
    const bucket = new BucketModel();
    bucket.configure({ b: 10, 'b-max': 200, 'b-max-length': 2 }, 'b');
    const waits = Array.from({ length: 22 }, () => {
      bucket.pour(20);
      bucket.leak(100 * MS);
      return bucket.wait();
    });
    expect(waits).toEqual([...new Array(21).fill(0), 1_800_000_000]);
  });

  test('requests of one member', () => {
    expect(times({ 'bps-total': 4096 }, 4, 4096)).toEqual([0, 900 * MS, 1900 * MS, 2900 * MS]);
    expect(times({ 'bps-total': 4096 }, 2, 512)).toEqual([0, 24_999_999]);
    expect(times({ 'iops-total': 10 }, 5, 512)).toEqual([0, 0, 100 * MS, 200 * MS, 300 * MS]);
    expect(times({ 'iops-total': 1 }, 3, 512)).toEqual([0, 900 * MS, 1900 * MS]);
    const burst = times({ 'iops-total': 10, 'iops-total-max': 50 }, 53, 512);
    expect(burst).toEqual([...new Array(51).fill(0), 100 * MS, 200 * MS]);
  });

  test('two members take turns', () => {
    const model = new ThrottleModel();
    model.configure({ 'iops-total': 10 });
    for (const member of ['a', 'b']) model.join(member);
    for (let request = 0; request < 6; request += 1) {
      const name = request % 2 === 0 ? 'a' : 'b';
      model.submit(name, { name, direction: 'read', bytes: 512 });
    }
    model.advanceTo(1000 * MS);
    expect(model.log.map(({ name, when }) => `${name}${when / MS}`).join(' ')).toBe(
      'a0 b0 a100 b200 a300 b400',
    );
  });
});

test(
  `TG-7: ${count} random groups let every request go at the nanosecond of the model (seed ${seed})`,
  async () => {
    const sum: Partial<Record<keyof WalkResult, number>> = {};
    for (let index = 0; index < count; index += 1) {
      const result = await new ThrottleWalk(seed + index).run();
      for (const [name, value] of Object.entries(result) as [keyof WalkResult, number][]) {
        sum[name] = (sum[name] ?? 0) + value;
      }
    }
    // Where nobody waits, and nothing comes in between, nothing is shown.
    expect(sum.requests).toBeGreaterThan(count * 10);
    expect(sum.throttled).toBeGreaterThan(count);
    if (count < 100) return;
    expect(sum.members).toBeGreaterThan(count);
    for (const event of ['changes', 'sections', 'aborts', 'departures'] as const) {
      expect(sum[event]).toBeGreaterThan(count / 20);
    }
  },
  60_000 + count * 200,
);
