import { type Command, Option } from 'commander';
import { APIS, type BenchOptions, MEMORIES, PATTERNS } from '../bench/options.js';
import { integerBetween, parseSeconds, sizeBetween } from '../shared/numbers.js';
import { addEngineOptions } from './engine-options.js';

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

function choice(flags: string, text: string, choices: readonly string[], initial: string): Option {
  return new Option(flags, text).choices(choices).default(initial);
}

const DESCRIPTION = `Keeps requests under way on a disk (a path, or 'json:{...}') for a time, and
reports speed and latency. Writing needs --yes, except to a null device.`;

const AFTER = `
Sizes take K, M and G. Exit codes: 0 fine, 1 I/O error, 2 usage.`;

export function addBench(program: Command): void {
  const command = program
    .command('bench')
    .summary('measure the speed of a disk')
    .description(DESCRIPTION)
    .argument('<image>')
    .addOption(choice('--rw <pattern>', 'load', PATTERNS, 'randread'))
    .option('--bs <size>', 'size of a request', sizeBetween(512, 64 * MIB, 512), 4096)
    .option('--iodepth <n>', 'requests under way', integerBetween(1, 4096), 32)
    .option('--runtime <time>', 'how long', parseSeconds, 5)
    .option('--size <size>', 'use only so much of the image', sizeBetween(512, 8 * TIB, 512))
    .option('--seed <n>', 'of the random offsets', integerBetween(0, 2 ** 32 - 1), 1);
  addEngineOptions(command)
    .addOption(choice('--api <api>', 'who submits', APIS, 'promise'))
    .addOption(choice('--memory <kind>', 'of the requests', MEMORIES, 'pool'))
    .option('--yes', 'write: what the image holds is lost')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', AFTER)
    .action(async (image: string, options: BenchOptions) => {
      // Here and not above, so that help needs no addon.
      const { runBench } = await import('../bench/run.js');
      process.exitCode = await runBench(image, options);
    });
}
