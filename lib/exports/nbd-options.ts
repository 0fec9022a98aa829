// What an NBD server and its exports are made with.

import { AioContext } from '../aio/context.js';
import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { isWellFormedName } from '../graph/names.js';
import type { GateSettings } from './nbd-gatekeeper.js';
import { checkTlsSettings } from './nbd-tls.js';

/** QAPI: SocketAddress. */
export type NbdAddress =
  | {
      readonly type: 'unix';
      /** At most 107 bytes. A socket there that nobody listens on is replaced. */
      readonly path: string;
    }
  | {
      readonly type: 'inet';
      /** A name or an IP address; of a name, the first address counts. */
      readonly host: string;
      /** 0: any that is free. Default 10809, the protocol's own. */
      readonly port?: number | undefined;
    }
  | {
      /** A socket that was handed to this process, and listens already (socket activation). */
      readonly type: 'fd';
      /** Its number, in decimal, as QAPI has it. It belongs to the server from then on. */
      readonly str: string;
    };

/** How an {@link NbdServer} treats its clients. */
export interface NbdServerSettings extends GateSettings {
  /** What it exports before its first client is accepted. Default: nothing. */
  readonly exports?: readonly NbdExportOptions[] | undefined;
  /** Clients at a time; further ones wait to be accepted. 0: no limit. Default 100. */
  readonly maxConnections?: number | undefined;
  /** Seconds that a client may take to choose an export. 0: no limit. Default 10. */
  readonly handshakeMaxSeconds?: number | undefined;
}

/** QAPI: BlockExportOptions, of type nbd. */
export interface NbdExportOptions {
  /** Unique among the exports of this environment. */
  readonly id: string;
  readonly 'node-name': string;
  /** What clients call it; unique in its server. Default: the node's name. At most 4096 bytes. */
  readonly name?: string | undefined;
  /** For people. At most 4096 bytes. */
  readonly description?: string | undefined;
  /** Default false. */
  readonly writable?: boolean | undefined;
  /** Every write is durable before it is answered. Default false. */
  readonly writethrough?: boolean | undefined;
  /**
   * Tells clients that several connections see each other's writes and flush them; they do in any
   * case. Default: unless the server takes one connection only.
   */
  readonly 'multi-conn'?: boolean | undefined;
  /** Offers the context qemu:allocation-depth. Default false. */
  readonly 'allocation-depth'?: boolean | undefined;
  /** Dirty bitmaps of the node that clients may read, as qemu:dirty-bitmap:NAME. */
  readonly bitmaps?: readonly string[] | undefined;
  /** Where the node is to live: an IOThread or its name. Default: where it is. */
  readonly iothread?: AioContext | string | undefined;
  /** The export stays there, and fails if the node cannot be moved there. Default false. */
  readonly 'fixed-iothread'?: boolean | undefined;
}

const LONGEST_STRING = 4096;
const LAST_PORT = 65535;
const DEFAULT_PORT = 10809;
const MOST_CONNECTIONS = 65536;
/** Up to what a C int holds, in any case. */
const DESCRIPTOR = /^\d{1,9}$/;

function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw invalidArgumentType(name, 'of type string', value);
}

function checkWhole(name: string, value: unknown, most: number): void {
  if (value === undefined) return;
  if (typeof value !== 'number') throw invalidArgumentType(name, 'of type number', value);
  if (Number.isInteger(value) && value >= 0 && value <= most) return;
  throw outOfRange(name, `an integer from 0 to ${most}`, value);
}

/** @throws TypeError, RangeError */
export function checkAddress(address: NbdAddress): void {
  if (typeof address !== 'object' || address === null) {
    throw invalidArgumentType('address', 'an object', address);
  }
  if (address.type === 'unix') {
    checkString('address.path', address.path);
    if (address.path !== '' && !address.path.includes('\0')) return;
    throw invalidArgumentValue('address.path', 'a path', address.path);
  }
  if (address.type === 'fd') {
    checkString('address.str', address.str);
    if (DESCRIPTOR.test(address.str)) return;
    throw invalidArgumentValue('address.str', 'the number of a file descriptor', address.str);
  }
  if (address.type !== 'inet') {
    const type: unknown = (address as { type?: unknown }).type;
    throw invalidArgumentValue('address.type', `'unix', 'inet' or 'fd'`, type);
  }
  checkString('address.host', address.host);
  checkWhole('address.port', address.port, LAST_PORT);
}

export function portOf({ port = DEFAULT_PORT }: { readonly port?: number | undefined }): number {
  return port;
}

/** @throws TypeError, RangeError */
export function checkServerSettings(settings: NbdServerSettings): void {
  if (typeof settings !== 'object' || settings === null) {
    throw invalidArgumentType('settings', 'an object', settings);
  }
  const { maxConnections, handshakeMaxSeconds, tls, authorize, exports } = settings;
  checkWhole('settings.maxConnections', maxConnections, MOST_CONNECTIONS);
  checkWhole('settings.handshakeMaxSeconds', handshakeMaxSeconds, 2 ** 32 - 1);
  checkTlsSettings(tls);
  if (exports !== undefined && !Array.isArray(exports)) {
    throw invalidArgumentType('settings.exports', 'an array', exports);
  }
  if (authorize !== undefined && typeof authorize !== 'function') {
    throw invalidArgumentType('settings.authorize', 'a function', authorize);
  }
}

function checkText(name: string, value: unknown): void {
  if (value === undefined) return;
  checkString(name, value);
  if (Buffer.byteLength(value) > LONGEST_STRING) {
    throw exportError(Errno.EINVAL, `${name} is longer than ${LONGEST_STRING} bytes`);
  }
  if (value.includes('\0')) throw exportError(Errno.EINVAL, `${name} has a zero byte`);
}

const SWITCHES = [
  'writable',
  'writethrough',
  'multi-conn',
  'allocation-depth',
  'fixed-iothread',
] as const;

/** @throws TypeError; BlockError EINVAL */
export function checkExportOptions(options: NbdExportOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgumentType('options', 'an object', options);
  }
  checkString('id', options.id);
  checkString('node-name', options['node-name']);
  checkText('name', options.name);
  checkText('description', options.description);
  for (const name of SWITCHES) {
    const value: unknown = options[name];
    if (value === undefined || typeof value === 'boolean') continue;
    throw invalidArgumentType(name, 'of type boolean', value);
  }
  const { bitmaps, iothread } = options;
  if (bitmaps !== undefined && !Array.isArray(bitmaps)) {
    throw invalidArgumentType('bitmaps', 'an array of names', bitmaps);
  }
  for (const name of bitmaps ?? []) checkString('bitmaps', name);
  if (iothread !== undefined && typeof iothread !== 'string' && !(iothread instanceof AioContext)) {
    throw invalidArgumentType('iothread', 'an AioContext or its name', iothread);
  }
  if (options['fixed-iothread'] === true && iothread === undefined) {
    throw exportError(Errno.EINVAL, 'fixed-iothread is on, and there is no iothread');
  }
  if (!isWellFormedName(options.id)) {
    throw exportError(Errno.EINVAL, `Invalid block export id '${options.id}'`);
  }
}

/** @internal */
export function exportError(errno: number, text: string, cause?: unknown): BlockError {
  return new BlockError(errno, { operation: 'export', text, cause });
}
