import type { Command } from 'commander';
import type { ServeOptions } from '../nbd/serve-run.js';
import { integerBetween } from '../shared/numbers.js';

const DESCRIPTION = `Serves a disk (a path, always as raw, or 'json:{...}') over NBD and prints the URI
that clients connect to. Without --socket and --port it makes a unix socket that only
the user can reach. Read-only unless --writable is given.`;

const AFTER = `
Examples:
  blk serve disk.img                     then: nbdinfo URI, qemu-img convert URI copy.img
  blk serve --writable --port 10809 --bind 127.0.0.1 disk.img

DIR has ca-cert.pem, server-cert.pem and server-key.pem, or keys.psk with lines 'NAME:HEX'.
Takes the socket that a service manager hands over (LISTEN_FDS).
Exit codes: 0 fine, 1 error, 2 usage.`;

export function addServe(program: Command): void {
  program
    .command('serve')
    .summary('serve a disk over NBD')
    .description(DESCRIPTION)
    .argument('<image>')
    .option('--socket <path>', 'listen on a unix socket')
    .option('--port <n>', 'listen on a TCP port; 0: any', integerBetween(0, 65_535))
    .option('--bind <host>', 'where the port is', '127.0.0.1')
    .option('--name <name>', 'what clients call it', '')
    .option('--writable', 'clients may write')
    .option('--direct', 'bypass the page cache')
    .option('--tls <dir>', 'clients must use TLS, with the certificates or keys in DIR')
    .addHelpText('after', AFTER)
    .action(async (image: string, options: ServeOptions) => {
      const { runServe } = await import('../nbd/serve-run.js');
      await runServe(image, options);
    });
}
