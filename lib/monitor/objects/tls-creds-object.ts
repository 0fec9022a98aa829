// Credentials for TLS as objects (QAPI: TlsCredsX509Properties, TlsCredsPskProperties).

import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import {
  TlsCredentials,
  type TlsCredentialsKind,
  type TlsCredentialsProperties,
} from '../../exports/tls-credentials.js';
import type { ObjectPropertyInfo, ObjectType, UserObject } from './object-type.js';

/** What QOM calls the type of `endpoint`. */
export const ENDPOINT_TYPE = 'QCryptoTLSCredsEndpoint';
export const ENDPOINTS = ['client', 'server'] as const;

const PROPERTIES: readonly ObjectPropertyInfo[] = [
  { name: 'verify-peer', type: 'bool' },
  { name: 'dir', type: 'string' },
  { name: 'endpoint', type: ENDPOINT_TYPE },
];

class TlsCredsObject implements UserObject {
  readonly #credentials: TlsCredentials;

  constructor(credentials: TlsCredentials) {
    this.#credentials = credentials;
  }

  delete(): void {
    this.#credentials.delete();
  }

  get(property: string): unknown {
    return this.#credentials.properties[property as keyof TlsCredentialsProperties];
  }

  set(property: string): never {
    const text = `${property} cannot be changed after the credentials were made`;
    throw new BlockError(Errno.EPERM, { operation: 'qom-set', text });
  }
}

function typeOf(name: TlsCredentialsKind): ObjectType {
  return {
    name,
    properties: PROPERTIES,
    create(id, properties) {
      new TlsCredentials(name, id, properties as TlsCredentialsProperties);
    },
    find(id) {
      const credentials = TlsCredentials.find(id);
      return credentials?.kind === name ? new TlsCredsObject(credentials) : undefined;
    },
    ids: () =>
      TlsCredentials.all()
        .filter(({ kind }) => kind === name)
        .map(({ id }) => id),
  };
}

export const tlsCredsTypes: readonly ObjectType[] = [
  typeOf('tls-creds-psk'),
  typeOf('tls-creds-x509'),
];
