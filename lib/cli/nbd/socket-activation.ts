// A socket that the service manager opened and handed over (systemd's sd_listen_fds).

import type { NbdAddress } from '../../index.js';
import { CliError } from '../shared/cli-error.js';

/** The first descriptor that is handed over. */
const FIRST = 3;

/**
 * Where to listen, if that is so; undefined if nothing was handed to this process. Programs that it
 * starts do not see it.
 *
 * @throws CliError for more sockets than one.
 */
export function activatedSocket(): NbdAddress | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = process.env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (Number(pid) !== process.pid || count === undefined || count === '0') return undefined;
  if (count === '1') return { type: 'fd', str: String(FIRST) };
  throw new CliError(`${count} sockets were handed over (LISTEN_FDS); one was expected`);
}
