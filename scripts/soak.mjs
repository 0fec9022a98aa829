// Everything at once, for hours: I/O whose content says where and when it was written, limits, drained
// sections, changes of the graph and of media, faults, and threads that come and go, on every engine
// and home. It fails when a byte is wrong or lost, when anything leaks, and when anything takes longer
// than a second for which the machine is not to blame:
//
//   npm run soak -- [--seconds 3600] [--seed N] [--aio io_uring] [--home node] [--round 10]
//
// --aio, --home   only these (default: both engines, both homes)
// --round S       every S seconds it stands still and is looked at (default 10)
// --growth MIB    that resident memory may grow by (default 24)
// --folder DIR    for its images (default: the folder of the system)
// --built         builds nothing before
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { wholeNumber } from './lib/options.mjs';
import { inRoot, log, main, UserError } from './lib/project.mjs';
import { quietMemory } from './lib/quiet-memory.mjs';
import { run } from './lib/run.mjs';

const TOPIC = 'soak';
const MIB = 1024 * 1024;
const ENGINES = ['io_uring', 'threads'];
const HOMES = ['node', 'iothread'];

const options = {
  seconds: { type: 'string', default: '3600' },
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
  aio: { type: 'string' },
  home: { type: 'string' },
  round: { type: 'string', default: '10' },
  growth: { type: 'string', default: '24' },
  folder: { type: 'string' },
  built: { type: 'boolean', default: false },
};

function oneOf(name, value, known) {
  if (value === undefined) return known;
  if (known.includes(value)) return [value];
  throw new UserError(`--${name}: one of ${known.join(', ')} was expected, not '${value}'`);
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const settings = {
    seconds: wholeNumber('seconds', values.seconds, 1),
    seed: wholeNumber('seed', values.seed, 0),
    round: wholeNumber('round', values.round, 1),
    growth: wholeNumber('growth', values.growth, 1) * MIB,
    engines: oneOf('aio', values.aio, ENGINES),
    homes: oneOf('home', values.home, HOMES),
    folder: values.folder,
  };
  if (!values.built) await setupAndBuild();
  log(TOPIC, `seed ${settings.seed}, ${settings.seconds} s on ${settings.engines.join(' and ')}`);
  const program = inRoot('scripts/soak/main.mjs');
  let child;
  // A loop that stands still cannot say so itself.
  const overtime = setTimeout(
    () => {
      log(TOPIC, `seed ${settings.seed}: it has not ended long after its time: it hangs`);
      child.kill('SIGKILL');
    },
    (settings.seconds + 120) * 1000,
  );
  const args = [...quietMemory, program, JSON.stringify(settings)];
  const code = await run(process.execPath, args, {
    onStart: (started) => {
      child = started;
    },
  });
  clearTimeout(overtime);
  return code;
});
