// Certificates and keys for TLS in a directory, by QEMU's names, and under an id (QAPI:
// TlsCredsX509Properties, TlsCredsPskProperties).

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { NbdTlsSettings } from './nbd-tls.js';

export type TlsCredentialsKind = 'tls-creds-x509' | 'tls-creds-psk';

export interface TlsCredentialsProperties {
  /**
   * Has `ca-cert.pem`, `server-cert.pem`, `server-key.pem` and, if there is one, `ca-crl.pem`; for
   * keys `keys.psk`, whose lines are an identity, a colon, and the key in hex.
   */
  readonly dir?: string | undefined;
  /** Servers can use those of endpoint 'server'. Default 'client'. */
  readonly endpoint?: 'client' | 'server' | undefined;
  /** Clients must show a certificate of the authority. Default true. */
  readonly 'verify-peer'?: boolean | undefined;
}

/** Those with an id, in order of creation. */
const byId = new Map<string, TlsCredentials>();

function failure(errno: number, text: string, cause?: unknown): BlockError {
  return new BlockError(errno, { operation: 'tls-creds', text, cause });
}

function read(dir: string, name: string): Buffer {
  const path = join(dir, name);
  try {
    return readFileSync(path);
  } catch (cause) {
    const { errno = Errno.EIO, message } = cause as NodeJS.ErrnoException;
    throw failure(errno, `cannot read '${path}': ${message}`, cause);
  }
}

function readIfThere(dir: string, name: string): Buffer | undefined {
  return existsSync(join(dir, name)) ? read(dir, name) : undefined;
}

const CERTIFICATE = 'server-cert.pem';
const KEYS = 'keys.psk';

/** An even number of digits. */
const HEX = /^(?:[0-9a-f]{2})+$/i;

function keysIn(dir: string): Record<string, Buffer> {
  const path = join(dir, KEYS);
  const lines = read(dir, KEYS)
    .toString('utf8')
    .split(/\r?\n/)
    .map((line, index) => ({ line, number: index + 1 }));
  const keys = lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, number }): [string, Buffer] => {
      const colon = line.lastIndexOf(':');
      const key = line.slice(colon + 1).trim();
      if (colon > 0 && HEX.test(key)) return [line.slice(0, colon), Buffer.from(key, 'hex')];
      const expected = 'an identity, a colon and a key in hex were expected';
      throw failure(Errno.EINVAL, `'${path}', line ${number}: ${expected}`);
    });
  if (keys.length > 0) return Object.fromEntries(keys);
  throw failure(Errno.EINVAL, `there is no key in '${path}'`);
}

function certificatesIn(dir: string, verifyPeer: boolean): NbdTlsSettings {
  return {
    ca: read(dir, 'ca-cert.pem'),
    crl: readIfThere(dir, 'ca-crl.pem'),
    cert: read(dir, CERTIFICATE),
    key: read(dir, 'server-key.pem'),
    verifyPeer,
  };
}

/**
 * What a server can use of a directory: certificates where there are some, else keys.
 *
 * @throws BlockError: ENOENT ... for a file that cannot be read, EINVAL for keys that are none.
 */
export function tlsSettingsIn(dir: string): NbdTlsSettings {
  const hasKeys = existsSync(join(dir, KEYS));
  const onlyKeys = hasKeys && !existsSync(join(dir, CERTIFICATE));
  return {
    ...(onlyKeys ? {} : certificatesIn(dir, true)),
    ...(hasKeys ? { psk: keysIn(dir) } : {}),
  };
}

/** Credentials of a directory, read when they are made. */
export class TlsCredentials {
  readonly id: string;
  readonly kind: TlsCredentialsKind;
  readonly properties: TlsCredentialsProperties;
  readonly #settings: NbdTlsSettings | undefined;

  /** @throws BlockError EINVAL without a directory, and as {@link tlsSettingsIn}. */
  constructor(kind: TlsCredentialsKind, id: string, properties: TlsCredentialsProperties) {
    const { dir, endpoint = 'client', 'verify-peer': verifyPeer = true } = properties;
    if (dir === undefined) throw failure(Errno.EINVAL, `'${id}': dir, where they are, is missing`);
    this.id = id;
    this.kind = kind;
    this.properties = Object.freeze({ dir, endpoint, 'verify-peer': verifyPeer });
    if (endpoint === 'server') this.#settings = TlsCredentials.#read(kind, dir, verifyPeer);
    byId.set(id, this);
  }

  static #read(kind: TlsCredentialsKind, dir: string, verifyPeer: boolean): NbdTlsSettings {
    if (kind === 'tls-creds-x509') return certificatesIn(dir, verifyPeer);
    return { psk: keysIn(dir) };
  }

  static find(id: string): TlsCredentials | undefined {
    return byId.get(id);
  }

  static all(): TlsCredentials[] {
    return [...byId.values()];
  }

  /** For a server. @throws BlockError EINVAL for those of a client. */
  get settings(): NbdTlsSettings {
    if (this.#settings !== undefined) return this.#settings;
    throw failure(Errno.EINVAL, `'${this.id}' is for clients: its endpoint must be 'server'`);
  }

  /** Servers that use them go on. */
  delete(): void {
    byId.delete(this.id);
  }
}

/** @throws BlockError ENOENT for an unknown id, EINVAL for those of a client. */
export function tlsSettingsOf(id: string): NbdTlsSettings {
  const found = byId.get(id);
  if (found === undefined) throw failure(Errno.ENOENT, `there are no TLS credentials '${id}'`);
  return found.settings;
}
