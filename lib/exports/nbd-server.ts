// An NBD server: where it listens and what it exports.

import { lookup } from 'node:dns/promises';
import { unlink } from 'node:fs/promises';
import { isIP } from 'node:net';
import { AioContext } from '../aio/context.js';
import { controlCall } from '../aio/control.js';
import { environment } from '../aio/environment.js';
import type { Handle, NativeListenAddress } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { errnoText } from '../errors/errno-names.js';
import { NbdExport } from './nbd-export.js';
import { NbdGatekeeper } from './nbd-gatekeeper.js';
import {
  checkAddress,
  checkExportOptions,
  checkServerSettings,
  exportError,
  type NbdAddress,
  type NbdExportOptions,
  type NbdServerSettings,
  portOf,
} from './nbd-options.js';

const MAX_CONNECTIONS = 100;
const HANDSHAKE_SECONDS = 10;
const MS_PER_SECOND = 1e3;
const NS_PER_SECOND = 1e9;

/** As clients reach it. */
type ServedAddress = Exclude<NbdAddress, { readonly type: 'fd' }>;

const NOWHERE: ServedAddress = { type: 'unix', path: '' };

/** Open ones, in order of creation. */
const servers = new Set<NbdServer>();

/**
 * Serves disks to NBD clients. Requests go from the socket to the file natively; no JavaScript runs
 * for them. It keeps the process alive, unless {@link NbdServer.unref} is called.
 *
 * ```js
 * await using server = await NbdServer.listen({ type: 'unix', path: 'disk.sock' });
 * await server.addExport({ id: 'disk', 'node-name': 'disk0', writable: true });
 * console.log(server.uri('disk0'));
 * ```
 */
export class NbdServer implements AsyncDisposable {
  /**
   * Where it listens; of a TCP port that was left open, the one that was found, and of a socket that
   * was handed over, where that is ('' for a UNIX socket without a path).
   */
  get address(): ServedAddress {
    return this.#address;
  }

  #address: ServedAddress = NOWHERE;
  readonly #handle: Handle;
  readonly #gatekeeper: NbdGatekeeper;
  /** The path of its socket goes with it. */
  #unlinks = false;
  readonly #secure: boolean;
  readonly #multiConn: boolean;
  readonly #exports = new Set<NbdExport>();
  /** Exports that are being made. */
  readonly #adding = new Set<Promise<unknown>>();
  #referenced = false;
  #closing: Promise<void> | undefined;

  private constructor(handle: Handle, gatekeeper: NbdGatekeeper, settings: NbdServerSettings) {
    this.#handle = handle;
    this.#gatekeeper = gatekeeper;
    this.#secure = settings.tls !== undefined;
    this.#multiConn = settings.maxConnections !== 1;
  }

  /**
   * Listens on a UNIX socket, a TCP port or a descriptor. (QMP: nbd-server-start)
   *
   * @throws (rejects) BlockError: EADDRINUSE where somebody listens already, ENAMETOOLONG for a
   * path of more than 107 bytes, EACCES ..., ENOENT for a host without an address; EBADF, ENOTSOCK,
   * EINVAL for a descriptor that is no socket that listens; EINVAL for a certificate or a key that
   * node:tls cannot use; and as {@link NbdServer.addExport} for `exports`. Then nothing is left.
   */
  static async listen(address: NbdAddress, settings: NbdServerSettings = {}): Promise<NbdServer> {
    checkAddress(address);
    checkServerSettings(settings);
    const { maxConnections = MAX_CONNECTIONS, handshakeMaxSeconds = HANDSHAKE_SECONDS } = settings;
    const gatekeeper = gatekeeperFor(settings, handshakeMaxSeconds * MS_PER_SECOND);
    const native = await nativeAddress(address);
    const handle = environment().binding.nbdServerCreate(AioContext.main.handle, {
      maxConnections,
      handshakeNs: handshakeMaxSeconds * NS_PER_SECOND,
      ...gatekeeper.policy,
    });
    gatekeeper.open(handle);
    const server = new NbdServer(handle, gatekeeper, settings);
    try {
      for (const item of settings.exports ?? []) await server.addExport(item);
      await server.#listen(address, native);
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  async #listen(address: NbdAddress, native: NativeListenAddress): Promise<void> {
    const { binding, ring } = environment();
    const result = await controlCall(ring, (slot) => {
      binding.nbdServerListen(slot, this.#handle, AioContext.main.handle, native);
    });
    if (typeof result !== 'number') throw listenError(result.errno, address);
    this.#address = Object.freeze(foundAddress(address, result));
    this.#unlinks = address.type === 'unix';
    servers.add(this);
    this.ref();
  }

  /** All open servers, in order of creation. */
  static all(): NbdServer[] {
    return [...servers];
  }

  /** Its exports, in order of creation. */
  get exports(): NbdExport[] {
    return [...this.#exports];
  }

  /** Clients that are connected, those that negotiate included. */
  get connections(): number {
    return environment().binding.nbdServerInfo(this.#handle).connections;
  }

  /** Clients that have connected so far, those that have gone included. */
  get accepted(): number {
    return environment().binding.nbdServerInfo(this.#handle).accepted;
  }

  /** It is closed, or being closed. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** What clients connect to, by the protocol's rules for URIs. */
  uri(exportName = ''): string {
    const { address } = this;
    const name = encodeURIComponent(exportName);
    const scheme = this.#secure ? 'nbds' : 'nbd';
    if (address.type === 'unix') {
      const path = encodeURIComponent(address.path).replaceAll('%2F', '/');
      return `${scheme}+unix:///${name}?socket=${path}`;
    }
    const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
    return `${scheme}://${host}:${portOf(address)}/${name}`;
  }

  /**
   * Exports a node until {@link NbdExport.remove}. (block-export-add)
   *
   * @throws (rejects) BlockError: EINVAL for options that make no sense and a server that is closed;
   * EEXIST for an id or a name in use; ENOENT for a node, an IOThread or a bitmap that is none;
   * EPERM for a read-only node, or when users of the node do not share what is needed, or refuse to
   * move with `fixed-iothread`; ENOTSUP in virtual time.
   */
  async addExport(options: NbdExportOptions): Promise<NbdExport> {
    checkExportOptions(options);
    if (this.isClosed) throw exportError(Errno.EINVAL, 'the NBD server is closed');
    const made = NbdExport.create(Object.freeze({ ...options }), {
      server: this.#handle,
      multiConn: this.#multiConn,
      forget: () => {
        for (const item of this.#exports) if (item.id === options.id) this.#exports.delete(item);
      },
    });
    this.#adding.add(made);
    try {
      const item = await made;
      this.#exports.add(item);
      return item;
    } finally {
      this.#adding.delete(made);
    }
  }

  /** The process does not end while it listens; this is how it begins. */
  ref(): this {
    this.#setReferenced(!this.isClosed);
    return this;
  }

  /** The process may end although it listens. */
  unref(): this {
    this.#setReferenced(false);
    return this;
  }

  /**
   * Listens no more, removes all exports, disconnects all clients and waits until they are gone.
   * (nbd-server-stop)
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.unref();
    const gone = closeNatively(this.#handle);
    await Promise.allSettled(this.#adding);
    const removed = await Promise.allSettled(this.exports.map((item) => item.remove('hard')));
    await gone;
    await this.#gatekeeper.close();
    if (this.#unlinks && this.#address.type === 'unix') {
      await unlink(this.#address.path).catch(() => {});
    }
    servers.delete(this);
    for (const result of removed) if (result.status === 'rejected') throw result.reason;
  }

  #setReferenced(on: boolean): void {
    if (this.#referenced === on) return;
    this.#referenced = on;
    environment().binding.keepAlive(on);
    this.#gatekeeper.setReferenced(on);
  }
}

function gatekeeperFor(settings: NbdServerSettings, handshakeMs: number): NbdGatekeeper {
  try {
    return new NbdGatekeeper(settings, handshakeMs);
  } catch (cause) {
    const text = `cannot use the settings of TLS: ${(cause as Error).message}`;
    throw new BlockError(Errno.EINVAL, { operation: 'listen', text, cause });
  }
}

async function closeNatively(server: Handle): Promise<void> {
  const { binding, ring } = environment();
  await controlCall(ring, (slot) => {
    binding.nbdServerClose(slot, server, AioContext.main.handle);
  });
}

/** Names are looked up here, so that native/ never waits for a name server. */
async function nativeAddress(address: NbdAddress): Promise<NativeListenAddress> {
  if (address.type === 'unix') return { path: address.path };
  if (address.type === 'fd') return { inherited: Number(address.str) };
  const { host } = address;
  const port = portOf(address);
  if (isIP(host) !== 0) return { host, port };
  try {
    return { host: (await lookup(host)).address, port };
  } catch (cause) {
    const text = `the host '${host}' has no address`;
    throw new BlockError(Errno.ENOENT, { operation: 'listen', text, cause });
  }
}

function foundAddress(address: NbdAddress, port: number): ServedAddress {
  if (address.type === 'unix') return { ...address };
  if (address.type === 'inet') return { ...address, port };
  const place = environment().binding.socketPlace(Number(address.str));
  const { path = '', host } = place;
  return host === undefined ? { type: 'unix', path } : { type: 'inet', host, port };
}

function placeOf(address: NbdAddress): string {
  if (address.type === 'unix') return `'${address.path}'`;
  if (address.type === 'inet') return `${address.host}, port ${portOf(address)}`;
  return `file descriptor ${address.str}`;
}

function listenError(errno: number, address: NbdAddress): BlockError {
  const text = `cannot listen on ${placeOf(address)}: ${errnoText(errno)}`;
  return new BlockError(errno, { operation: 'listen', text });
}
