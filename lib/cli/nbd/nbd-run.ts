// What `blk nbd` does: the serving half of qemu-nbd (qemu-nbd.c).

import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tlsSettingsOf } from '../../exports/tls-credentials.js';
import { type BlockBackend, type NbdAddress, type NbdTlsSettings, objectAdd } from '../../index.js';
import { parseAioMode, parseCacheMode, parseDiscardMode } from '../../options/open-words.js';
import { parseQemuOpts } from '../../options/qemu-opts.js';
import { sizeOf } from '../../options/size.js';
import { objectOptions } from '../../qmp/commands/objects.js';
import { parseOptionText } from '../../qmp/option-text.js';
import { isDaemonChild, reportReady, spawnDaemon } from '../daemon/daemonize.js';
import { Ending } from '../daemon/ending.js';
import { writePidFile } from '../daemon/pid-file.js';
import { usageError } from '../shared/cli-error.js';
import { isDevice, ServedDisk } from './served-disk.js';
import { activatedSocket } from './socket-activation.js';

/** As commander gives them. */
export interface NbdOptions {
  readonly port?: string;
  readonly bind?: string;
  readonly socket?: string;
  readonly shared: string;
  readonly persistent?: boolean;
  readonly exportName: string;
  readonly description?: string;
  readonly offset?: string;
  readonly allocationDepth?: boolean;
  readonly bitmap?: string;
  readonly format?: string;
  readonly readOnly?: boolean;
  readonly nocache?: boolean;
  readonly cache?: string;
  readonly aio?: string;
  readonly discard?: string;
  readonly detectZeroes?: string;
  readonly imageOpts?: boolean;
  readonly fork?: boolean;
  readonly pidFile?: string;
  readonly object: readonly string[];
  readonly tlsCreds?: string;
}

const DEFAULT_PORT = '10809';
const ANY_HOST = '0.0.0.0';
const LAST_PORT = 65_535;
/** How soon it is noticed that the last client has gone. */
const LOOK_AGAIN_MS = 50;

type OpenOptions = Exclude<Parameters<typeof BlockBackend.open>[0], string>;

function wholeIn(option: string, text: string, most: number): number {
  const value = sizeOf(text);
  if (value !== undefined && Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw usageError(`--${option} ${text}: a whole number from 0 to ${most} was expected`);
}

function addressOf({ socket, port, bind, fork }: NbdOptions): NbdAddress {
  const activated = activatedSocket();
  if (activated !== undefined) {
    // What goes on in the background is another process, to which nothing was handed over.
    for (const [name, given] of Object.entries({ socket, port, bind, fork })) {
      if (given === undefined) continue;
      throw usageError(`--${name}: the socket was handed over already (LISTEN_FDS)`);
    }
    return activated;
  }
  const number = wholeIn('port', port ?? DEFAULT_PORT, LAST_PORT);
  if (socket !== undefined) return { type: 'unix', path: resolve(socket) };
  return { type: 'inet', host: bind ?? ANY_HOST, port: number };
}

/** A word of a mode, or undefined when it was not given. */
function modeOf<T>(
  option: string,
  text: string | undefined,
  parse: (text: string) => T | undefined,
): T | undefined {
  if (text === undefined) return undefined;
  const mode = parse(text);
  if (mode === undefined) throw usageError(`--${option} ${text}: there is no such mode`);
  return mode;
}

function fileOptions(image: string, options: NbdOptions): Record<string, unknown> {
  const aio = modeOf('aio', options.aio, parseAioMode);
  const driver = isDevice(image) ? 'host_device' : 'file';
  return { driver, filename: resolve(image), ...(aio === undefined ? {} : { aio }) };
}

/** What to open, and whether writes go through. */
function diskOf(image: string, options: NbdOptions): [OpenOptions, boolean] {
  if (options.nocache && options.cache !== undefined) {
    throw usageError('-n and --cache are two ways to say the same');
  }
  const cache = modeOf('cache', options.nocache ? 'none' : options.cache, parseCacheMode);
  const common = {
    'read-only': options.readOnly === true,
    discard: modeOf('discard', options.discard, parseDiscardMode) ?? 'ignore',
    'detect-zeroes': options.detectZeroes ?? 'off',
    cache: { direct: cache?.direct === true, 'no-flush': cache?.noFlush === true },
  };
  const own = options.imageOpts
    ? Object.fromEntries(parseQemuOpts(image))
    : imageOptions(image, options);
  const disk = { ...common, ...own };
  const windowed =
    options.offset === undefined
      ? disk
      : {
          ...common,
          driver: 'raw',
          offset: wholeIn('offset', options.offset, Number.MAX_SAFE_INTEGER),
          file: disk,
        };
  return [windowed as OpenOptions, cache?.writethrough === true];
}

function imageOptions(image: string, options: NbdOptions): Record<string, unknown> {
  const { format } = options;
  const file = fileOptions(image, options);
  // Without a format it is found out, by the name of the file.
  if (format === undefined) return { filename: image };
  return format === 'file' || format === 'host_device' ? file : { driver: format, file };
}

function tlsOf({ object, tlsCreds }: NbdOptions): NbdTlsSettings | undefined {
  for (const text of object) objectAdd(parseOptionText(text, objectOptions, 'qom-type'));
  return tlsCreds === undefined ? undefined : tlsSettingsOf(tlsCreds);
}

/** Until the last of the clients has gone, once there was one. */
async function untilUnused({ server }: ServedDisk, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (server.accepted > 0 && server.connections === 0) return;
    await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {});
  }
}

export async function runNbd(image: string, options: NbdOptions): Promise<void> {
  const [disk, writethrough] = diskOf(image, options);
  const address = addressOf(options);
  const clients = wholeIn('shared', options.shared, 65_536);
  if (options.fork && !isDaemonChild()) {
    process.exitCode = await spawnDaemon();
    return;
  }
  const ending = new Ending();
  await using served = await ServedDisk.start(disk, {
    address,
    exportName: options.exportName,
    description: options.description,
    writable: options.readOnly !== true,
    writethrough,
    clients,
    allocationDepth: options.allocationDepth,
    bitmaps: options.bitmap === undefined ? undefined : [options.bitmap],
    tls: tlsOf(options),
  });
  const { pidFile } = options;
  const removePidFile = pidFile === undefined ? () => {} : writePidFile(pidFile);
  try {
    reportReady();
    const over = new AbortController();
    const unused = options.persistent ? [] : [untilUnused(served, over.signal)];
    await Promise.race([ending.reached, ...unused]);
    over.abort();
  } finally {
    removePidFile();
  }
}
