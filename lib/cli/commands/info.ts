import type { Command } from 'commander';

export function addInfo(program: Command): void {
  program
    .command('info')
    .summary('what this host offers, for bug reports')
    .description('Prints versions, the engine and why it was chosen.')
    .option('--json', 'print it as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { infoText, readInfo } = await import('../info.js');
      const info = readInfo();
      process.stdout.write(`${json ? JSON.stringify(info, undefined, 2) : infoText(info)}\n`);
    });
}
