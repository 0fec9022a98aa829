// Well-formed and broken streams of bytes through a socket into the NBD server, on both engines, with
// every answer judged and every byte of memory watched by AddressSanitizer:
//
//   npm run fuzz:nbd -- --inputs 1000000 --seed 7
//
// An input is its seed: --seed N --inputs 1 repeats it, and --show tells what it is. With --plain
// there are no sanitizers, with --built nothing is built before.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildRoot, setupAndBuild } from './build.mjs';
import { wholeNumber } from './lib/options.mjs';
import { log, main } from './lib/project.mjs';
import { run } from './lib/run.mjs';

const TOPIC = 'fuzz:nbd';

const options = {
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
  inputs: { type: 'string', default: '1000000' },
  engine: { type: 'string' },
  show: { type: 'boolean', default: false },
  plain: { type: 'boolean', default: false },
  built: { type: 'boolean', default: false },
};

// What was freed is kept for a while, so that its use is seen, but not so much that growth is not.
const sanitizers = {
  ASAN_OPTIONS: 'quarantine_size_mb=16:detect_leaks=1',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const seed = wholeNumber('seed', values.seed, 0);
  const inputs = wholeNumber('inputs', values.inputs, 1);
  const sanitize = values.plain ? '' : 'address';
  if (!values.built) await setupAndBuild({ tests: true, sanitize });
  const root = process.env.BLOCK_BACKEND_PREBUILD ?? buildRoot(sanitize);
  log(TOPIC, `seed ${seed}, ${inputs} inputs`);
  const args = ['--seed', String(seed), '--inputs', String(inputs)];
  if (values.engine) args.push('--engine', values.engine);
  if (values.show) args.push('--show');
  return run(join(root, 'build/Release/block_backend_fuzz'), args, { env: sanitizers });
});
