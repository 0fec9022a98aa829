// Random bytes, and words that look like commands, through everything that reads command lines of
// qemu-io. Nothing may throw, run on, or answer what cannot be:
//
//   npm run fuzz:io -- --inputs 1000000 --seed 7
//
// With --built nothing is built before.
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { wholeNumber } from './lib/options.mjs';
import { log, main } from './lib/project.mjs';

const TOPIC = 'fuzz:io';

const options = {
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
  inputs: { type: 'string', default: '1000000' },
  built: { type: 'boolean', default: false },
};

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const first = wholeNumber('seed', values.seed, 0);
  const inputs = wholeNumber('inputs', values.inputs, 1);
  if (!values.built) await setupAndBuild();
  // Here and not above, as it uses what was built.
  const { checkInput, endFuzzing, randomLine } = await import('./fuzz-io/target.mjs');
  log(TOPIC, `seed ${first}, ${inputs} inputs`);
  for (let index = 0; index < inputs; index += 1) {
    const line = randomLine(first + index);
    const problem = await checkInput(line);
    if (problem === undefined) continue;
    log(TOPIC, `seed ${first + index}: ${JSON.stringify(line)}: ${problem}`);
    await endFuzzing();
    return 1;
  }
  await endFuzzing();
  log(TOPIC, `${inputs} inputs, nothing found`);
  return 0;
});
