// The NBD server of a machine and its exports (QMP: nbd-server-start, nbd-server-stop,
// block-export-add, block-export-del, query-block-exports).

import type { AioContext } from '../aio/context.js';
import { invalidArgumentValue } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { type ExportRemoveMode, NbdExport, type NbdExportInfo } from '../exports/nbd-export.js';
import type { NbdAddress, NbdExportOptions } from '../exports/nbd-options.js';
import { NbdServer } from '../exports/nbd-server.js';
import { tlsSettingsOf } from '../exports/tls-credentials.js';

/** QAPI: NbdServerOptions. */
export interface NbdServerStartArguments {
  readonly addr: NbdAddress;
  /** 0: no limit. Default 100. */
  readonly 'max-connections'?: number | undefined;
  /** Id of an object with credentials; then clients must use TLS. Default: none. */
  readonly 'tls-creds'?: string | undefined;
  /** 0: no limit. Default 10. */
  readonly 'handshake-max-seconds'?: number | undefined;
}

/** QAPI: BlockExportOptions. */
export interface BlockExportAddArguments extends NbdExportOptions {
  readonly type: 'nbd';
  readonly iothread?: AioContext | string | undefined;
}

/** QMP: block-export-del. */
export interface BlockExportDelArguments {
  readonly id: string;
  /** Default 'safe'. */
  readonly mode?: ExportRemoveMode | undefined;
}

/** The machine's own, of which there is at most one. */
let current: Promise<NbdServer> | undefined;

function failure(errno: number, operation: string, text: string): BlockError {
  return new BlockError(errno, { operation, text });
}

/**
 * Starts the machine's own server. (QMP: nbd-server-start)
 *
 * @throws (rejects) BlockError EEXIST when it runs already; ENOENT for unknown credentials, EINVAL
 * for those of a client; and as {@link NbdServer.listen}.
 */
export async function nbdServerStart(request: NbdServerStartArguments): Promise<NbdServer> {
  if (current !== undefined) {
    throw failure(Errno.EEXIST, 'nbd-server-start', 'NBD server already running');
  }
  const { 'max-connections': maxConnections, 'handshake-max-seconds': seconds } = request;
  const { 'tls-creds': credentials } = request;
  const tls = credentials === undefined ? undefined : tlsSettingsOf(credentials);
  const starting = NbdServer.listen(request.addr, {
    maxConnections,
    handshakeMaxSeconds: seconds,
    tls,
  });
  current = starting;
  try {
    return await starting;
  } catch (error) {
    current = undefined;
    throw error;
  }
}

/**
 * Ends the machine's own server, and removes all of its exports. (QMP: nbd-server-stop)
 *
 * @throws (rejects) BlockError EINVAL when it does not run.
 */
export async function nbdServerStop(): Promise<void> {
  const server = await runningServer('nbd-server-stop');
  await server.close();
  current = undefined;
}

/**
 * Exports a node by the machine's own server. (QMP: block-export-add)
 *
 * @throws (rejects) BlockError EINVAL without a server, and as {@link NbdServer.addExport}.
 */
export async function blockExportAdd(request: BlockExportAddArguments): Promise<NbdExport> {
  const { type, ...options } = request;
  if (type !== 'nbd') throw invalidArgumentValue('type', `'nbd'`, type);
  const server = await runningServer('block-export-add');
  return server.addExport(options);
}

/**
 * Removes an export. (QMP: block-export-del)
 *
 * @throws (rejects) BlockError ENOENT for an unknown id, and as {@link NbdExport.remove}.
 */
export async function blockExportDel({ id, mode }: BlockExportDelArguments): Promise<void> {
  const item = NbdExport.byId(id);
  if (item === undefined) {
    throw failure(Errno.ENOENT, 'block-export-del', `Export '${id}' is not found`);
  }
  await item.remove(mode);
}

/** QAPI: BlockExportInfo, newest first, as QEMU lists them. */
export function queryBlockExports(): Pick<
  NbdExportInfo,
  'id' | 'type' | 'node-name' | 'shutting-down'
>[] {
  return NbdExport.all()
    .reverse()
    .map((item) => {
      const { id, type, 'node-name': node, 'shutting-down': shuttingDown } = item.info();
      return Object.freeze({ id, type, 'node-name': node, 'shutting-down': shuttingDown });
    });
}

async function runningServer(operation: string): Promise<NbdServer> {
  const server = await current;
  if (server !== undefined && !server.isClosed) return server;
  throw failure(Errno.EINVAL, operation, 'NBD server not running');
}
