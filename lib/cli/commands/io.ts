import type { Command } from 'commander';

/** Nobody need read what it says, as with qemu-io. */
function ignoreClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}

/** Its options are read by qemu-io's own rules, so commander passes everything on. */
export function addIo(program: Command): void {
  program
    .command('io')
    .summary('run the commands of qemu-io on a disk')
    .argument('[args...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      const { runIo } = await import('../io/run.js');
      ignoreClosedPipes();
      process.exitCode = await runIo(args, program.version() ?? '');
    });
}
