// The options of `npm run bench`.
import { Command, InvalidArgumentError } from 'commander';

/** Of runs, from which a check may conclude something. */
export const LEAST_PAIRS = 7;

const QUICK = { pairs: 1, seconds: 0.3 };

const DESCRIPTION = `Compares reads and writes of a cached 1 GiB file with other software, all sides in turns,
each in a process of its own; shows how late timers are meanwhile, and what things cost.
All rows take a quarter of an hour.`;

function number(least, isWhole = false) {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && (!isWhole || Number.isSafeInteger(value))) {
      return value;
    }
    throw new InvalidArgumentError(
      `a ${isWhole ? 'whole ' : ''}number of at least ${least} was expected`,
    );
  };
}

/** Ends the process for --help, and with 2 for options that make no sense. */
export function parseCommandLine(argv) {
  const command = new Command('npm run bench --')
    .description(DESCRIPTION)
    .option('--only <text>', 'the rows with this in their names', '')
    .option('--pairs <n>', 'of runs per row', number(1, true), LEAST_PAIRS)
    .option('--seconds <s>', 'per run', number(0.05), 1.5)
    .option('--quick', 'one pair of short runs: for trying out, not for conclusions')
    .option('--megabytes <n>', 'size of the file', number(4, true), 1024)
    .option('--json [file]', 'print the results as JSON, or write them there beside the table')
    .option('--from <file>', 'measure nothing: take the results that --json wrote')
    .option('--check', 'exit with 1 if a row is worse than recorded of this type of machine')
    .option('--record', 'keep the ratios as those of this type of machine')
    .option('--svg', 'draw docs/ratios.svg')
    .option('--page', 'fill the tables of docs/performance.md')
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));
  command.parse(argv, { from: 'user' });
  const options = { ...command.opts(), ...(command.opts().quick ? QUICK : {}) };
  if (options.check && options.from === undefined && options.pairs < LEAST_PAIRS) {
    command.error(`error: --check needs at least ${LEAST_PAIRS} pairs, not ${options.pairs}`);
  }
  return options;
}
