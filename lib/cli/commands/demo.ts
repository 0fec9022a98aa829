import { type Command, Option } from 'commander';
import type { DemoOptions } from '../demo/options.js';
import { integerBetween, parseSeconds, sizeBetween } from '../shared/numbers.js';
import { addEngineOptions } from './engine-options.js';

const TIB = 1024 ** 4;
const MAX_SEED = 2 ** 32 - 1;

const DESCRIPTION = `Writes random requests to a disk, flushes, verifies every byte, reports the speed.
Without an image (a path, or 'json:{...}') it makes a scratch one and removes it.
An image is only read unless --write is given; that destroys its content.`;

const AFTER = `
Exit codes: 0 fine, 1 I/O error, 2 usage, 3 corruption, 130 interrupted.`;

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .summary('write random data to a disk and verify every byte')
    .description(DESCRIPTION)
    .argument('[image]')
    .option('--write', 'write to the image')
    .option('--no-verify', 'with --write: stop after the flush')
    .option('--verify-only', 'verify what an earlier run with the same --seed wrote')
    .option('--seed <n>', 'repeat a run [random]', integerBetween(0, MAX_SEED))
    .option(
      '--requests <n>',
      'how many [4 x the image, at most 1G in total]',
      integerBetween(1, 1e9),
    )
    .option('--runtime <time>', 'stop writing after', parseSeconds, 8)
    .option('--depth <n>', 'requests under way', integerBetween(1, 1024), 32)
    .option(
      '--size <size>',
      'how much of the image, or of scratch [all, or 256M]',
      sizeBetween(4096, 8 * TIB, 4096),
    );
  addEngineOptions(command)
    .addOption(new Option('--json', 'print the report as JSON'))
    .addHelpText('after', AFTER)
    .action(async (image: string | undefined, options: DemoOptions) => {
      // Here and not above, so that help needs no addon.
      const { runDemo } = await import('../demo/run.js');
      process.exitCode = await runDemo(image, options);
    });
}
