import type { Command } from 'commander';
import type { NbdOptions } from '../nbd/nbd-run.js';

const DESCRIPTION = `Serves a disk over NBD: takes the command line of qemu-nbd, its serving half, so that
scripts written for it run unchanged. 'blk serve' is the friendlier way.`;

const AFTER = `
Takes the socket that a service manager hands over (LISTEN_FDS).
Not here: -c and -d (the kernel's client), -L, -s, -l, --tls-authz. Exit codes: 0 fine,
1 error, 2 usage.`;

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

export function addNbd(program: Command): void {
  program
    .command('nbd')
    .summary('serve a disk as qemu-nbd does')
    .description(DESCRIPTION)
    .argument('<file>')
    .option('-p, --port <port>', 'port to listen on [10809]')
    .option('-b, --bind <host>', 'where the port is [0.0.0.0]')
    .option('-k, --socket <path>', 'listen on a unix socket instead')
    .option('-e, --shared <n>', 'clients at a time; 0: no limit', '1')
    .option('-t, --persistent', 'do not end with the last client')
    .option('-v, --verbose', 'accepted')
    .option('-x, --export-name <name>', 'what clients call it', '')
    .option('-D, --description <text>', 'for people')
    .option('-o, --offset <bytes>', 'where the disk begins in the image')
    .option('-A, --allocation-depth', 'offer qemu:allocation-depth')
    .option('-B, --bitmap <name>', 'offer a dirty bitmap')
    .option('-f, --format <format>', 'of the image; found out without it')
    .option('-r, --read-only', 'clients may not write')
    .option('-n, --nocache', 'bypass the page cache')
    .option('--cache <mode>', 'none, writeback, writethrough, directsync or unsafe')
    .option('--aio <mode>', 'threads, native or io_uring')
    .option('--discard <mode>', 'ignore or unmap')
    .option('--detect-zeroes <mode>', 'off, on or unmap')
    .option('--image-opts', 'FILE is a list of options')
    .option('--fork', 'go on in the background when it serves')
    .option('--pid-file <path>', 'write the process ID to a file')
    .option('--object <options>', 'credentials for TLS, for example', collect, [])
    .option('--tls-creds <id>', 'clients must use TLS, with these credentials')
    .addHelpText('after', AFTER)
    .action(async (file: string, options: NbdOptions) => {
      const { runNbd } = await import('../nbd/nbd-run.js');
      await runNbd(file, options);
    });
}
