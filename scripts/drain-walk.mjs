// Random walks over drained sections, requests and changes of the graph, compared with models at
// every step, on every engine and home: the long form of test/graph/drain-walk.test.ts.
//
//   node scripts/drain-walk.mjs [--steps 10000] [--seeds 3] [--seed <first>] [--sanitize thread]
//
// A walk that parts from its model fails with its seed and its last steps; the same seed and number
// of steps repeat it.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { wholeNumber } from './lib/options.mjs';
import { inRoot, log, main } from './lib/project.mjs';
import { runNode } from './lib/run.mjs';

const test = 'test/graph/drain-walk.test.ts';

const options = {
  steps: { type: 'string', default: '10000' },
  seeds: { type: 'string', default: '3' },
  seed: { type: 'string', default: String(randomInt(2 ** 31)) },
  sanitize: { type: 'string' },
};

await main(import.meta, async (args) => {
  const { values } = parseArgs({ args, options });
  const steps = wholeNumber('steps', values.steps, 1000);
  const seeds = wholeNumber('seeds', values.seeds, 1);
  const first = wholeNumber('seed', values.seed, 0);
  if (values.sanitize === undefined) await setupAndBuild();
  for (let seed = first; seed < first + seeds; seed += 1) {
    log('drain-walk', `seed ${seed}, ${steps} steps`);
    const env = {
      BLOCK_BACKEND_TEST_SEED: String(seed),
      BLOCK_BACKEND_TEST_STEPS: String(steps),
    };
    const code = values.sanitize
      ? await runNode(inRoot('scripts/test-sanitize.mjs'), [values.sanitize, test], { env })
      : (await runJest([test], { env })).code;
    if (code !== 0) return code;
  }
  return 0;
});
