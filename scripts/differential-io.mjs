// Runs seeded command lines of qemu-io in `blk io` and in qemu-io, and compares output, exit code and
// disk:
//
//   npm run differential:io                              2,000 lines, 200 of them as processes
//   npm run differential:io -- --lines 500 --seed 7 --processes 50
//
// With --built nothing is built before; --keep-going shows every difference, not only the first ten.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { differenceOf } from './differential-io/compare.mjs';
import { commandLine } from './differential-io/generator.mjs';
import { ENDLESS, freshFolder, runBinary, runHere, runQemuIo } from './differential-io/sides.mjs';
import { wholeNumber } from './lib/options.mjs';
import { log, main } from './lib/project.mjs';
import { which } from './lib/run.mjs';

const TOPIC = 'differential:io';
const SHOWN = 10;
/** Of qemu-io, by mistakes of its own. */
const CRASHES = ['SIGSEGV', 'SIGABRT', 'SIGFPE'];

const options = {
  seed: { type: 'string', default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
  lines: { type: 'string', default: '2000' },
  processes: { type: 'string', default: '200' },
  built: { type: 'boolean', default: false },
  'keep-going': { type: 'boolean', default: false },
};

function shown({ args, input }) {
  const words = args.map((word) => (/^[\w./=-]+$/.test(word) ? word : `'${word}'`)).join(' ');
  return input === undefined ? words : `${words} <<< ${JSON.stringify(input)}`;
}

/** What qemu-io never ends must end here. */
async function hungOutcome(line, folder) {
  const { code } = await runBinary(line, freshFolder(join(folder, 'ours')));
  return code === ENDLESS ? 'it does not end' : 'hung';
}

/** 'same', 'hung', 'crashed' or a sentence. */
async function compareLine(line, asProcess, folder) {
  const theirs = await runQemuIo(line, freshFolder(join(folder, 'theirs')));
  if (theirs.code === ENDLESS) return hungOutcome(line, folder);
  if (CRASHES.includes(theirs.code) && !line.args.includes('abort')) return 'crashed';
  const run = asProcess ? runBinary : runHere;
  const ours = await run(line, freshFolder(join(folder, 'ours')));
  return differenceOf(ours, theirs) ?? 'same';
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  if (which('qemu-io') === undefined) {
    log(TOPIC, 'skipped: there is no qemu-io (Debian has it in qemu-utils)');
    return 0;
  }
  const first = wholeNumber('seed', values.seed, 0);
  const lines = wholeNumber('lines', values.lines, 1);
  const processes = wholeNumber('processes', values.processes, 0);
  if (!values.built) await setupAndBuild();
  log(TOPIC, `seed ${first}, ${lines} lines, ${Math.min(lines, processes)} of them as processes`);
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-differential-io-'));
  const tally = { same: 0, hung: 0, crashed: 0, different: 0 };
  try {
    // Lines that cannot be compared do not count.
    for (let index = 0; tally.same + tally.different < lines; index += 1) {
      const asProcess = index < processes;
      const line = commandLine(first + index, { mayPrompt: asProcess });
      const outcome = await compareLine(line, asProcess, folder);
      tally[outcome in tally ? outcome : 'different'] += 1;
      if (outcome in tally) continue;
      log(TOPIC, `seed ${first + index}: qemu-io ${shown(line)}\n${outcome}`);
      if (tally.different >= SHOWN && !values['keep-going']) break;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { same, hung, crashed, different } = tally;
  const ends = `${hung} that qemu-io never ends, ${crashed} that crash it`;
  log(TOPIC, `${same} the same, ${ends}, ${different} different`);
  return different === 0 ? 0 : 1;
});
