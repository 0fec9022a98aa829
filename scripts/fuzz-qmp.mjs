// Random bytes, and requests with bytes changed, through a monitor; random options through both
// parsers of option strings; and spoilt texts through everything else that reads what others wrote.
// Nothing may throw what it should not, hang, or be left behind:
//
//   npm run fuzz:qmp -- --inputs 1000000 --seed 7
//
// With --built nothing is built before.

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setupAndBuild } from './build.mjs';
import { wholeNumber } from './lib/options.mjs';
import { log, main } from './lib/project.mjs';

const TOPIC = 'fuzz:qmp';
const MIB = 1024 * 1024;
/** Live memory may grow by so much after the first tenth. */
const MOST_GROWTH = 16 * MIB;

const options = {
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
  inputs: { type: 'string', default: '1000000' },
  built: { type: 'boolean', default: false },
};

/** Of what is still referred to. */
function liveBytes() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const first = wholeNumber('seed', values.seed, 0);
  const inputs = wholeNumber('inputs', values.inputs, 1);
  if (!values.built) await setupAndBuild();
  // Here and not above, as it uses what was built.
  const { TARGETS } = await import('./fuzz-qmp/targets.mjs');
  // Errors are what most inputs give, and their stacks most of what they cost.
  Error.stackTraceLimit = 0;
  for (const [name, makeTarget] of Object.entries(TARGETS)) {
    log(TOPIC, `${name}: seed ${first}, ${inputs} inputs`);
    const target = makeTarget();
    let settled = 0;
    for (let index = 0; index < inputs; index += 1) {
      if (index === Math.ceil(inputs / 10)) settled = liveBytes();
      const problem = await target.check(first + index);
      if (problem === undefined) continue;
      log(TOPIC, `${name}, seed ${first + index}: ${problem}`);
      return 1;
    }
    await target.end();
    const growth = liveBytes() - settled;
    if (inputs >= 1000 && growth > MOST_GROWTH) {
      log(TOPIC, `${name}: ${growth} bytes more are in use than after a tenth`);
      return 1;
    }
  }
  log(TOPIC, 'nothing found');
  return 0;
});
