#!/usr/bin/env node
import { Command } from 'commander';

async function main(): Promise<void> {
  // Imported here so that an addon that does not load ends in the one-line message below.
  const { version } = await import('../index.js');
  const program = new Command('blk')
    .description('The block layer of QEMU on Node.js')
    .version(version)
    .showHelpAfterError();
  program
    .command('demo')
    .description('show what the package does')
    .action(() => {
      process.stdout.write(`block-backend ${version}\n`);
    });
  await program.parseAsync();
}

main().catch((error: unknown) => {
  process.stderr.write(`blk: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
