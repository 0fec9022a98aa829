// The other end of a monitor: commands and their replies, one at a time each.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { QmpError, type QmpErrorClass } from './errors.js';
import { JsonReader } from './json/reader.js';
import type { ListenAddress } from './listener.js';
import { isObject } from './schema/check.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A client that reads no events. */
export class QmpClient implements Disposable {
  readonly #socket: Socket;
  /** In the order of the commands, which is that of the replies. */
  readonly #waiting: Waiting[] = [];
  #ended: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new JsonReader((input) => {
      if ('error' in input)
        this.#end(new QmpError(`the monitor sends no JSON: ${input.error.message}`));
      else this.#received(input.value);
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new QmpError('the monitor has ended the connection')));
  }

  /** Connects and negotiates. @throws (rejects) Error ECONNREFUSED, ENOENT ..., QmpError */
  static async connect(address: ListenAddress): Promise<QmpClient> {
    const socket = connect({ ...address });
    await once(socket, 'connect');
    const client = new QmpClient(socket);
    await client.execute('qmp_capabilities');
    return client;
  }

  /** What the command returns. @throws (rejects) QmpError */
  execute(name: string, args: object = {}): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #received(message: unknown): void {
    if (!isObject(message) || !('return' in message || 'error' in message)) return;
    const waiting = this.#waiting.shift();
    if (isObject(message.error)) {
      const { class: errorClass, desc } = message.error;
      waiting?.reject(new QmpError(String(desc), String(errorClass) as QmpErrorClass));
    } else {
      waiting?.resolve(message.return);
    }
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}
