// TLS of NBD clients. It ends here: native/ has one end of a pair of sockets and sees in plain what
// the client said.
//
//   client -- TLS --> its socket -> TLSSocket -> pair -- plain --> native/

import { Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { invalidArgumentType, invalidArgumentValue } from '../errors/argument-errors.js';

/**
 * With certificates (`cert` and `key`), with keys that both sides know (`psk`), or with both. As
 * node:tls has them: PEM, in a string or a Buffer.
 */
export interface NbdTlsSettings {
  /** The server's certificate, and those between it and the authority. */
  readonly cert?: string | Buffer | undefined;
  /** Its key. */
  readonly key?: string | Buffer | undefined;
  /** Of `key`, if it is encrypted. */
  readonly passphrase?: string | undefined;
  /** The authorities that sign clients' certificates. */
  readonly ca?: string | Buffer | undefined;
  /** Certificates of clients that count no more. */
  readonly crl?: string | Buffer | undefined;
  /**
   * Only clients with a certificate that one of `ca` has signed may go on. Default: when there is a
   * `ca`.
   */
  readonly verifyPeer?: boolean | undefined;
  /** Keys by the identity that a client names. */
  readonly psk?: Readonly<Record<string, Buffer>> | undefined;
  /** False: clients may do without. Default true: they may do nothing before STARTTLS. */
  readonly required?: boolean | undefined;
}

/** What is known of a client through TLS. */
export interface NbdTlsClient {
  /** For example 'TLSv1.3'. */
  readonly protocol: string;
  /** By its IETF name. */
  readonly cipher: string;
  /** It showed a certificate that an authority of ours has signed. */
  readonly verified: boolean;
  /** The distinguished name in its certificate: 'CN=guest,O=lab'. */
  readonly subject?: string | undefined;
  /** SHA-256 of its certificate, in hex with colons. */
  readonly fingerprint?: string | undefined;
  /** Whose key it knows. */
  readonly identity?: string | undefined;
}

/** Those with a key alone come after those with a certificate. */
const PSK_CIPHERS = 'DEFAULT:ECDHE-PSK-CHACHA20-POLY1305:ECDHE+PSK:DHE+PSK:PSK';

/** @throws TypeError */
export function checkTlsSettings(tls: NbdTlsSettings | undefined): void {
  if (tls === undefined) return;
  if (typeof tls !== 'object' || tls === null) {
    throw invalidArgumentType('settings.tls', 'an object', tls);
  }
  const { cert, key, psk, ca, verifyPeer } = tls;
  if ((cert === undefined) !== (key === undefined)) {
    const [there, missing] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    throw invalidArgumentValue(`settings.tls.${missing}`, `what belongs to ${there}`, undefined);
  }
  if (cert === undefined && psk === undefined) {
    throw invalidArgumentValue('settings.tls', 'cert and key, or psk', Object.keys(tls));
  }
  if (verifyPeer === true && ca === undefined) {
    throw invalidArgumentValue('settings.tls.ca', 'the authorities that verifyPeer asks', ca);
  }
  for (const [identity, secret] of Object.entries(psk ?? {})) {
    if (Buffer.isBuffer(secret) && secret.length > 0) continue;
    // What there is instead may be a secret all the same.
    const text = `settings.tls.psk['${identity}']`;
    throw invalidArgumentType(text, 'a Buffer that is not empty', typeof secret);
  }
}

interface Secured {
  readonly socket: TLSSocket;
  readonly client: NbdTlsClient;
}

function subjectOf(socket: TLSSocket): Pick<NbdTlsClient, 'subject' | 'fingerprint'> {
  const certificate = socket.getPeerCertificate();
  // Without one it is an empty object.
  if (certificate?.subject === undefined) return {};
  const parts = Object.entries(certificate.subject).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}=${one}`),
  );
  return { subject: parts.reverse().join(','), fingerprint: certificate.fingerprint256 };
}

/** What one server does for clients that ask for TLS. */
export class TlsTerminator {
  readonly #options: TlsOptions;
  readonly #psk: ReadonlyMap<string, Buffer>;
  /** Of clients, and the plain ends. */
  readonly #sockets = new Set<Socket>();
  #referenced = true;

  /** @throws what node:tls says of a certificate or key that it cannot use. */
  constructor(tls: NbdTlsSettings, handshakeMs: number) {
    const { cert, key, passphrase, ca, crl, verifyPeer = ca !== undefined, psk } = tls;
    this.#psk = new Map(Object.entries(psk ?? {}));
    this.#options = {
      cert,
      key,
      passphrase,
      ca,
      crl,
      requestCert: ca !== undefined,
      rejectUnauthorized: verifyPeer,
      ...(handshakeMs === 0 ? {} : { handshakeTimeout: handshakeMs }),
      ...(psk === undefined ? {} : { ciphers: PSK_CIPHERS }),
    };
    // So that what is wrong with them is said now, and not to the first client.
    createServer(this.#options);
  }

  /**
   * The server's half of the handshake on the client's socket, which is closed if that fails.
   * Rejects with what node:tls says.
   */
  async secure(descriptor: number): Promise<Secured> {
    const raw = this.#adopt(descriptor);
    let identity: string | undefined;
    // One for each client: its events then are about no other.
    const server = createServer({
      ...this.#options,
      ...(this.#psk.size === 0
        ? {}
        : {
            pskCallback: (_socket: TLSSocket, named: string) => {
              identity = named;
              return this.#psk.get(named) ?? null;
            },
          }),
    });
    const socket = await new Promise<TLSSocket>((resolve, reject) => {
      server.once('secureConnection', resolve);
      server.once('tlsClientError', (error, failed) => {
        failed.destroy();
        raw.destroy();
        reject(error);
      });
      server.emit('connection', raw);
    });
    this.#keep(socket);
    // Only now: who sends no more during the handshake is gone.
    socket.allowHalfOpen = true;
    const client: NbdTlsClient = Object.freeze({
      protocol: socket.getProtocol() ?? '',
      cipher: socket.getCipher().standardName,
      verified: socket.authorized,
      ...subjectOf(socket),
      identity,
    });
    return { socket, client };
  }

  /**
   * From now on the two ends are one connection. When the native end closes, the client is told and
   * let go; what a client that breaks off had sent still arrives.
   */
  join(secured: TLSSocket, descriptor: number): void {
    const plain = this.#adopt(descriptor);
    secured.pipe(plain);
    plain.pipe(secured, { end: false });
    plain.once('end', () => secured.destroySoon());
    for (const [one, other] of [
      [secured, plain],
      [plain, secured],
    ] as const) {
      // It closes then, and what was wrong with a client's connection is nobody's error.
      one.on('error', () => {});
      one.once('close', () => other.destroySoon());
    }
  }

  /** Whether they keep the process alive. */
  setReferenced(on: boolean): void {
    this.#referenced = on;
    for (const socket of this.#sockets) this.#applyReference(socket);
  }

  /** Lets all clients go, and resolves when their sockets are closed. */
  async close(): Promise<void> {
    const closed = [...this.#sockets].map(
      (socket) =>
        new Promise<void>((resolve) => {
          socket.once('close', () => resolve());
          socket.destroy();
        }),
    );
    await Promise.all(closed);
  }

  #adopt(descriptor: number): Socket {
    return this.#keep(
      new Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true }),
    );
  }

  #keep<S extends Socket>(socket: S): S {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.#applyReference(socket);
    return socket;
  }

  #applyReference(socket: Socket): void {
    if (this.#referenced) socket.ref();
    else socket.unref();
  }
}
