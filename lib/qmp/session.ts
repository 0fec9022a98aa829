// One client of a monitor, over any duplex stream.

import type { Duplex } from 'node:stream';
import type { Command, Monitor } from './command.js';
import type { CommandQueue } from './dispatcher.js';
import { errorReply, QmpError } from './errors.js';
import { type JsonInput, JsonReader } from './json/reader.js';
import { writeJson } from './json/writer.js';
import { execute, idOf, type Reply, requestOf } from './request.js';
import { greeting } from './version.js';

/** How one client is served. */
export interface SessionOptions {
  /** Replies and events over several lines. Default false. */
  readonly pretty?: boolean | undefined;
}

/** Requests of one client that may wait; while there are so many its input is not read. */
const MOST_WAITING = 1024;
/** Bytes that a client may leave unread, before it is given up. */
const MOST_UNREAD = 64 << 20;

/** For a client to go after its session has ended. */
const PATIENCE_MS = 1000;

const NEGOTIATION = 'qmp_capabilities';

export class QmpSession {
  readonly #stream: Duplex;
  readonly #monitor: Monitor;
  readonly #queue: CommandQueue;
  readonly #indent: string | undefined;
  readonly #reader = new JsonReader((input) => this.#input(input));
  readonly #whenClosed: () => void;
  #isNegotiated = false;
  #closed = false;
  #closing = false;

  constructor(
    stream: Duplex,
    monitor: Monitor,
    queue: CommandQueue,
    { pretty = false }: SessionOptions,
    whenClosed: () => void,
  ) {
    this.#stream = stream;
    this.#monitor = monitor;
    this.#queue = queue;
    this.#indent = pretty ? '' : undefined;
    this.#whenClosed = whenClosed;
    stream.on('data', (chunk: Buffer | string) => this.#reader.push(Buffer.from(chunk)));
    stream.on('end', () => this.#end());
    // What is wrong with a connection ends it, and nothing else.
    stream.on('error', () => this.close());
    stream.on('close', () => this.close());
    this.#write(greeting());
  }

  /** To a client that has not finished the negotiation no events are sent. */
  event(event: unknown): void {
    if (this.#isNegotiated) this.#write(event);
  }

  /** What waits is dropped; what was written goes out. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.close();
    this.#endStream();
    this.#whenClosed();
  }

  /** The client has a moment to read the rest and to go; then it is disconnected. */
  #endStream(): void {
    const stream = this.#stream;
    stream.end();
    if (stream.destroyed) return;
    // Nobody looks at what it still sends, but unread it would be an error for the client.
    stream.resume();
    const timer = setTimeout(() => stream.destroy(), PATIENCE_MS);
    stream.once('close', () => clearTimeout(timer));
  }

  /** The client sends no more; what it has sent is carried out. */
  #end(): void {
    this.#reader.end();
    this.#closing = true;
    this.#queue.push(async () => this.close());
  }

  #input(input: JsonInput): void {
    if (this.#closed || this.#closing) return;
    this.#queue.push(async () => {
      this.#write(await this.#answer(input));
      if (this.#queue.length < MOST_WAITING / 2) this.#stream.resume();
    });
    if (this.#queue.length >= MOST_WAITING) this.#stream.pause();
  }

  async #answer(input: JsonInput): Promise<Reply> {
    if ('error' in input) {
      return { error: errorReply(new QmpError(`the input is not JSON: ${input.error.message}`)) };
    }
    const id = idOf(input.value);
    try {
      const { name, args } = requestOf(input.value);
      const reply = await execute(this.#command(name), args, this.#monitor);
      if (name === NEGOTIATION && 'return' in reply) this.#isNegotiated = true;
      return { ...id, ...reply };
    } catch (error) {
      return { ...id, error: errorReply(error) };
    }
  }

  /**
   * @throws QmpError CommandNotFound, as long as the client has not negotiated for all but that.
   */
  #command(name: string): Command {
    const refuse = (text: string): QmpError => new QmpError(text, 'CommandNotFound');
    if (name === NEGOTIATION && this.#isNegotiated) {
      throw refuse('the capabilities are negotiated already');
    }
    if (name !== NEGOTIATION && !this.#isNegotiated) {
      throw refuse(`the capabilities must be negotiated with '${NEGOTIATION}' first`);
    }
    const command = this.#monitor.commands.get(name);
    if (command === undefined) throw refuse(`there is no command '${name}'`);
    return command;
  }

  #write(value: unknown): void {
    if (this.#closed || !this.#stream.writable) return;
    this.#stream.write(`${writeJson(value, this.#indent)}\r\n`);
    if (this.#stream.writableLength <= MOST_UNREAD) return;
    this.#stream.destroy();
    this.close();
  }
}
