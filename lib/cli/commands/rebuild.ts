import type { Command } from 'commander';

const DESCRIPTION = `Compiles the addon on this machine, into build/ of the package, from where it is
loaded instead of the prebuilt one. Nothing is installed or downloaded: what is
missing (CMake, a C++20 compiler, liburing, cmake-js, node-addon-api) is named.`;

export function addRebuild(program: Command): void {
  program
    .command('rebuild')
    .summary('compile the addon on this machine')
    .description(DESCRIPTION)
    .action(async () => {
      const { runRebuild } = await import('../rebuild/run.js');
      await runRebuild();
    });
}
