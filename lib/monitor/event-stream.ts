// Events one after the other, as QMP sends them.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { subscribeEvents } from './event-subscription.js';
import type { QmpEvent } from './qmp-event.js';

/** Which events a {@link blockEventStream} has. */
export interface EventStreamOptions {
  /** Ends the stream. */
  readonly signal?: AbortSignal | undefined;
  /** Events that may wait for their reader; one more is an error. Default 10,000. */
  readonly limit?: number | undefined;
  /**
   * As a QMP monitor sends them: of one device's BLOCK_IO_ERROR events the first, and then each
   * second the newest of those that came within it. Default false: all of them.
   */
  readonly rateLimit?: boolean | undefined;
}

/**
 * All events from this call on, in the order in which they were sent, whether somebody reads or not.
 *
 * ```js
 * for await (const { event, data } of blockEventStream({ signal })) console.log(event, data);
 * ```
 *
 * @throws (rejects) BlockError ENOMEM when more than `limit` events wait.
 */
export function blockEventStream(
  options: EventStreamOptions = {},
): AsyncIterableIterator<QmpEvent> {
  return new EventStream(options);
}

class EventStream implements AsyncIterableIterator<QmpEvent> {
  readonly #waiting: QmpEvent[] = [];
  readonly #limit: number;
  readonly #stops: (() => void)[] = [];
  #readers: ((result: Promise<IteratorResult<QmpEvent>>) => void)[] = [];
  #ended = false;
  #overflowed = false;

  constructor({ signal, limit = 10_000, rateLimit = false }: EventStreamOptions) {
    this.#limit = limit;
    const subscription = subscribeEvents((event) => this.#queue(event), { rateLimit });
    this.#stops.push(() => subscription.close());
    const end = (): void => this.#end();
    signal?.addEventListener('abort', end, { once: true });
    this.#stops.push(() => signal?.removeEventListener('abort', end));
    if (signal?.aborted) this.#end();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<QmpEvent>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ value, done: false });
    if (this.#ended) return this.#last();
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  return(): Promise<IteratorResult<QmpEvent>> {
    this.#waiting.length = 0;
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  #queue(value: QmpEvent): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) reader(Promise.resolve({ value, done: false }));
    else if (this.#waiting.length < this.#limit) this.#waiting.push(value);
    else this.#overflow();
  }

  #overflow(): void {
    this.#overflowed = true;
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    for (const stop of this.#stops.splice(0)) stop();
    for (const reader of this.#readers.splice(0)) reader(this.#last());
  }

  /** What comes after the last event. */
  #last(): Promise<IteratorResult<QmpEvent>> {
    if (!this.#overflowed) return Promise.resolve({ value: undefined, done: true });
    const text = `more than ${this.#limit} events wait for their reader`;
    return Promise.reject(new BlockError(Errno.ENOMEM, { operation: 'event stream', text }));
  }
}
