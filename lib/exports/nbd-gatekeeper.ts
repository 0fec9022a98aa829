// What clients of an NBD server ask while they negotiate, and who answers: TLS, and whom the owner
// lets in. Requests ask nothing.

import { environment } from '../aio/environment.js';
import type { Handle, NativeNbdQuestion } from '../aio/native-binding.js';
import { Errno } from '../errors/errno.js';
import { type NbdTlsClient, type NbdTlsSettings, TlsTerminator } from './nbd-tls.js';

/** Who wants to use an export. */
export interface NbdClient {
  readonly export: string;
  /** Over TCP: its IP address. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Over a UNIX socket: the process that connected, and as whom. */
  readonly pid?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Without TLS: undefined. */
  readonly tls?: NbdTlsClient | undefined;
}

/**
 * Whether a client may use an export, asked each time that it names one. What it throws, or rejects
 * with, is a no and a warning of the process (`NbdAuthorizeWarning`).
 */
export type NbdAuthorize = (client: NbdClient) => boolean | Promise<boolean>;

/** What a server demands of clients. */
export interface GateSettings {
  /** Default: no TLS. */
  readonly tls?: NbdTlsSettings | undefined;
  /**
   * Asked before a client may use an export, or learn anything of it but its name. It has the rest of
   * the time for the handshake to answer. Default: all may.
   */
  readonly authorize?: NbdAuthorize | undefined;
}

/** As native/ has it: NbdPolicy::Tls. */
const TlsPolicy = { off: 0, optional: 1, required: 2 } as const;

function peerOf({ host, port, pid, uid, gid }: NativeNbdQuestion): Omit<NbdClient, 'export'> {
  return { host, port, pid, uid, gid };
}

/** Of open servers. */
const gatekeepers = new Set<NbdGatekeeper>();

export class NbdGatekeeper {
  readonly #terminator: TlsTerminator | undefined;
  readonly #authorize: NbdAuthorize | undefined;
  readonly #required: boolean;
  /** Connected clients with TLS, by their number; native/ sees no more of them than our end. */
  readonly #secured = new Map<number, Omit<NbdClient, 'export'>>();
  #server: Handle = 0;

  /** @throws what node:tls says of a certificate or key that it cannot use. */
  constructor({ tls, authorize }: GateSettings, handshakeMs: number) {
    this.#terminator = tls && new TlsTerminator(tls, handshakeMs);
    this.#authorize = authorize;
    this.#required = tls?.required !== false;
  }

  /** For the native server. */
  get policy(): { tls: number; asksAdmission: boolean } {
    const tls = this.#required ? TlsPolicy.required : TlsPolicy.optional;
    return {
      tls: this.#terminator === undefined ? TlsPolicy.off : tls,
      asksAdmission: this.#authorize !== undefined,
    };
  }

  /** Answers the clients of this server from now on. */
  open(server: Handle): void {
    this.#server = server;
    gatekeepers.add(this);
    environment().ring.onNbdQuestion = () => {
      for (const gatekeeper of gatekeepers) gatekeeper.#answerAll();
    };
  }

  /** The server is closed: nobody asks any more. */
  async close(): Promise<void> {
    gatekeepers.delete(this);
    await this.#terminator?.close();
  }

  setReferenced(on: boolean): void {
    this.#terminator?.setReferenced(on);
  }

  #answerAll(): void {
    for (const question of environment().binding.nbdQuestions(this.#server)) {
      const answered = question.secures ? this.#secure(question) : this.#admit(question);
      // A client whose question fails is let go, whatever the reason is.
      answered.catch(() => this.#answer(question, Errno.ECONNABORTED));
    }
  }

  #answer({ client }: NativeNbdQuestion, error: number): void {
    environment().binding.nbdAnswer(this.#server, client, error);
  }

  async #secure(question: NativeNbdQuestion): Promise<void> {
    const { client, socket: descriptor = -1 } = question;
    const terminator = this.#terminator as TlsTerminator;
    const { socket, client: tls } = await terminator.secure(descriptor);
    const plain = environment().binding.nbdAnswerSecured(this.#server, client);
    if (plain < 0) {
      socket.destroy();
      return;
    }
    this.#secured.set(client, { ...peerOf(question), tls });
    socket.once('close', () => this.#secured.delete(client));
    terminator.join(socket, plain);
  }

  async #admit(question: NativeNbdQuestion): Promise<void> {
    const peer = this.#secured.get(question.client) ?? peerOf(question);
    const admitted = await this.#ask(Object.freeze({ export: question.exportName, ...peer }));
    this.#answer(question, admitted ? 0 : Errno.EACCES);
  }

  async #ask(who: NbdClient): Promise<boolean> {
    try {
      return (await this.#authorize?.(who)) === true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const message = `a client of export '${who.export}' was refused: authorize threw: ${text}`;
      process.emitWarning(message, 'NbdAuthorizeWarning');
      return false;
    }
  }
}
