// Random throttle groups in virtual time, compared with a model request by request: the long form of
// test/throttle/throttle-walk.test.ts.
//
//   node scripts/throttle-walk.mjs [--groups 10000] [--seed <first>]
//
// A group that parts from its model fails with its seed and what was done to it; that seed and
// --groups 1 repeat it.
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { wholeNumber } from './lib/options.mjs';
import { log, main } from './lib/project.mjs';

const test = 'test/throttle/throttle-walk.test.ts';

const options = {
  groups: { type: 'string', default: '10000' },
  seed: { type: 'string', default: String(randomInt(2 ** 31)) },
};

await main(import.meta, async (args) => {
  const { values } = parseArgs({ args, options });
  const groups = wholeNumber('groups', values.groups, 1);
  const seed = wholeNumber('seed', values.seed, 0);
  await setupAndBuild();
  log('throttle-walk', `${groups} groups, the first with seed ${seed}`);
  const env = {
    BLOCK_BACKEND_TEST_SEED: String(seed),
    BLOCK_BACKEND_TEST_STEPS: String(groups),
  };
  return (await runJest([test], { env })).code;
});
