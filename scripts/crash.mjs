// The long form of the crash tests: `npm run test:crash`. Works from a bare clone.
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { runJest } from './lib/jest.mjs';
import { log, main, UserError } from './lib/project.mjs';

const HELP = `node scripts/crash.mjs [options]

Writes and flushes through a blklogwrites node above a file, on both engines and both homes, then
makes every state that a crash can leave and looks for what was acknowledged as durable.

  --runs N      seeds to try, one after the other (default 5)
  --seed N      of the first run; the others count up from it (default: by chance)
  --steps N     writes and flushes of a run (default 3000, at least 2000)
  --subsets N   of the writes of each flush epoch (default 30, at least 20)
  --help        this text

It ends at the first run that fails, and says with which seed.
`;

const options = {
  runs: { type: 'string', default: '5' },
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 30)) },
  steps: { type: 'string', default: '3000' },
  subsets: { type: 'string', default: '30' },
  help: { type: 'boolean', default: false },
};
const LEAST = { runs: 1, seed: 0, steps: 2000, subsets: 20 };

function parse(args) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UserError(`${error.message} (see --help)`);
  }
}

function numberOf(values, name) {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= LEAST[name]) return number;
  throw new UserError(
    `--${name} is '${values[name]}'; it must be an integer of at least ${LEAST[name]}`,
  );
}

await main(import.meta, async (argv) => {
  const values = parse(argv);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [runs, first, steps, subsets] = ['runs', 'seed', 'steps', 'subsets'].map((name) =>
    numberOf(values, name),
  );
  await setupAndBuild();
  for (let seed = first; seed < first + runs; seed += 1) {
    const env = {
      BLOCK_BACKEND_TEST_SEED: String(seed),
      BLOCK_BACKEND_TEST_STEPS: String(steps),
      BLOCK_BACKEND_TEST_SUBSETS: String(subsets),
    };
    const { code, totals } = await runJest(['test/crash'], { env });
    log('crash', `seed ${seed}: ${totals ?? 'no report'}`);
    if (code !== 0) return code;
  }
  return 0;
});
