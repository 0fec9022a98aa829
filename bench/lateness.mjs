// How late timers are in a process that reads as fast as it can.
import { runSide } from './lib/child.mjs';
import { readIntoCache } from './lib/image.mjs';
import { median } from './lib/statistics.mjs';

const DEPTHS = [1, 256];
const LIMIT_MS = 2;

export async function latenessRows({ rounds, seconds, image, blocks }, log) {
  const p99 = new Map([0, ...DEPTHS].map((depth) => [depth, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [depth, results] of p99) {
      log(`1 ms interval, depth ${depth}, round ${round} of ${rounds}`);
      if (depth > 0) readIntoCache(image);
      results.push((await runSide('lateness', { image, depth, seconds, blocks })).p99);
    }
  }
  const idle = p99.get(0);
  return DEPTHS.map((depth) => {
    const added = p99.get(depth).map((late, round) => late - idle[round]);
    const value = median(added);
    return {
      name: `depth ${depth}, timer vs idle`,
      unit: 'ms',
      value,
      low: Math.min(...added),
      high: Math.max(...added),
      ours: median(p99.get(depth)),
      theirs: median(idle),
      target: { at: 'at most', value: LIMIT_MS },
      met: value <= LIMIT_MS,
    };
  });
}
