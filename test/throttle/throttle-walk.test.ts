// Random throttle groups. BLOCK_BACKEND_TEST_SEED repeats; BLOCK_BACKEND_TEST_STEPS makes more of
// them: the group of seed N is the same wherever a run begins.
import { randomInt } from 'node:crypto';
import { type WalkResult, ThrottleWalk } from './throttle-walk.js';

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? randomInt(2 ** 31));
const count = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 300);

test(
  `THR: ${count} random groups let every request go at the nanosecond of the model (seed ${seed})`,
  async () => {
    const sum: Partial<Record<keyof WalkResult, number>> = {};
    for (let index = 0; index < count; index += 1) {
      const result = await new ThrottleWalk(seed + index).run();
      for (const [key, value] of Object.entries(result)) {
        sum[key as keyof WalkResult] = (sum[key as keyof WalkResult] ?? 0) + value;
      }
    }
    console.log(sum);
  },
  60_000 + count * 200,
);
