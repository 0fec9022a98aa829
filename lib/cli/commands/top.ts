import type { Command } from 'commander';
import { integerBetween, parseSeconds } from '../shared/numbers.js';
import type { TopOptions } from '../top/run.js';

const DESCRIPTION = `Connects to a QMP monitor (the path of its socket, or HOST:PORT) and shows what its
drives do: requests and MiB a second, mean latency, requests in flight, requests that
wait for a limit, and how long requests waited for limits each second. A monitor of
QEMU tells all but the last three.`;

const AFTER = `
Exit codes: 0 fine, 1 error, 2 usage.`;

export function addTop(program: Command): void {
  program
    .command('top')
    .summary('show what the drives behind a monitor do')
    .description(DESCRIPTION)
    .argument('<monitor>')
    .option('--interval <time>', 'between two tables', parseSeconds, 1)
    .option('--count <n>', 'end after so many tables', integerBetween(1, 1e9))
    .option('--json', 'print one JSON array for each table')
    .addHelpText('after', AFTER)
    .action(async (monitor: string, options: TopOptions) => {
      const { runTop } = await import('../top/run.js');
      await runTop(monitor, options);
    });
}
