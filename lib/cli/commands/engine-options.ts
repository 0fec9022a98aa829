import { type Command, Option } from 'commander';

export const AIO_CHOICES = ['auto', 'io_uring', 'threads'] as const;

/** The options that all commands with a disk share. */
export function addEngineOptions(command: Command): Command {
  return command
    .option('--direct', 'bypass the page cache (O_DIRECT)')
    .addOption(new Option('--aio <engine>', 'engine').choices(AIO_CHOICES).default('auto'))
    .option('--iothread', "run the disk on a native thread, not on Node's loop");
}
