// A QMP monitor: any number of clients, over any duplex streams, on the block layer of this
// environment.

import type { Server } from 'node:net';
import { Duplex } from 'node:stream';
import { BlockUsageError } from '../errors/block-error.js';
import { type EventSubscription, subscribeEvents } from '../monitor/event-subscription.js';
import type { Command, Monitor } from './command.js';
import { builtinCommands } from './commands/index.js';
import { Dispatcher } from './dispatcher.js';
import { closeListener, type ListenAddress, listenAt } from './listener.js';
import { QmpSession, type SessionOptions } from './session.js';

/** What a {@link QmpServer} knows beside what is built in. */
export interface QmpServerOptions {
  /** Commands beside, or instead of, the ones that are built in. */
  readonly commands?: readonly Command[] | undefined;
  /** `quit` was carried out, and its reply is on its way. Default: the server closes. */
  readonly onQuit?: (() => void) | undefined;
}

/** Commands of all servers of an environment run one at a time, as they do in QEMU. */
const dispatcher = new Dispatcher();

/**
 * Speaks QMP, the QEMU Machine Protocol.
 *
 * ```js
 * await using qmp = new QmpServer();
 * await qmp.listen('qmp.sock');
 * ```
 *
 * Commands of all clients of all servers run one at a time, in the order in which each client sent
 * them; while one waits, for a drain say, events go out and input is read.
 */
export class QmpServer implements AsyncDisposable {
  readonly #commands = new Map<string, Command>();
  readonly #sessions = new Set<QmpSession>();
  readonly #listeners = new Set<Server>();
  readonly #onQuit: () => void;
  readonly #monitor: Monitor;
  #events: EventSubscription | undefined;
  readonly #awaited: (() => void)[] = [];
  #closed = false;

  /** It serves nobody yet. */
  constructor({ commands = [], onQuit }: QmpServerOptions = {}) {
    for (const command of [...builtinCommands, ...commands]) {
      this.#commands.set(command.name, command);
    }
    this.#onQuit = onQuit ?? (() => void this.close());
    // After the reply of `quit` was written.
    this.#monitor = { commands: this.#commands, quit: () => setImmediate(() => this.#onQuit()) };
  }

  /** Clients that are connected. */
  get sessions(): number {
    return this.#sessions.size;
  }

  /** Resolves as soon as there is a client. */
  async connected(): Promise<void> {
    if (this.#sessions.size > 0) return;
    await new Promise<void>((resolve) => this.#awaited.push(resolve));
  }

  /**
   * Serves one client: greets it, and answers until either side ends the stream.
   *
   * @throws BlockUsageError when the server is closed.
   */
  attach(stream: Duplex, options: SessionOptions = {}): void {
    this.#checkOpen('attach');
    this.#events ??= subscribeEvents((event) => {
      for (const session of this.#sessions) session.event(event);
    });
    const session: QmpSession = new QmpSession(
      stream,
      this.#monitor,
      dispatcher.open(),
      options,
      () => this.#sessions.delete(session),
    );
    this.#sessions.add(session);
    for (const resolve of this.#awaited.splice(0)) resolve();
  }

  /** Serves standard input and output, as `-qmp stdio` does. */
  attachStdio(options: SessionOptions = {}): void {
    this.attach(Duplex.from({ readable: process.stdin, writable: process.stdout }), options);
  }

  /**
   * Serves everybody who connects to a unix socket (a path) or to a TCP port. The file of the socket
   * gets the permissions that the umask leaves, and is removed when the server closes; a file that
   * nobody serves any more is replaced.
   *
   * @throws (rejects) Error EADDRINUSE when somebody serves it already, and what bind() gives.
   */
  async listen(address: string | ListenAddress, options: SessionOptions = {}): Promise<void> {
    this.#checkOpen('listen');
    const at = typeof address === 'string' ? { path: address } : address;
    const listener = await listenAt(at, (socket) => {
      if (this.#closed) socket.destroy();
      else this.attach(socket, options);
    });
    this.#listeners.add(listener);
    if (this.#closed) await closeListener(listener);
  }

  /** Ends all sessions and sockets; commands under way finish, those that wait are dropped. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#events?.close();
    for (const session of [...this.#sessions]) session.close();
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    await Promise.all(listeners.map(closeListener));
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw new BlockUsageError(`${operation}: the QMP server is closed`);
  }
}
