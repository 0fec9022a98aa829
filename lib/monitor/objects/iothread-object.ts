// IOThreads as objects (QAPI: IothreadProperties).

import { AioContext } from '../../aio/context.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import type { ObjectType, UserObject } from './object-type.js';

/**
 * QEMU's, for those who set or read them. An IOThread here sleeps in its engine and never polls, so
 * they change nothing.
 */
const DEFAULTS: Readonly<Record<string, number>> = {
  'poll-max-ns': 32_768,
  'poll-grow': 0,
  'poll-shrink': 0,
  'aio-max-batch': 0,
  'thread-pool-min': 0,
  'thread-pool-max': 64,
};

/** What was given for a context, or set; the others have the defaults. */
const given = new WeakMap<AioContext, Record<string, number>>();

class IothreadObject implements UserObject {
  readonly #context: AioContext;

  constructor(context: AioContext) {
    this.#context = context;
  }

  delete(): Promise<void> {
    return this.#context.close();
  }

  get(property: string): unknown {
    return given.get(this.#context)?.[property] ?? DEFAULTS[property];
  }

  set(property: string, value: unknown): void {
    const others = given.get(this.#context);
    given.set(this.#context, { ...others, [property]: checked(property, value) });
  }
}

function checked(property: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const text = `${property} must be an integer of at least 0`;
  throw new BlockError(Errno.EINVAL, { operation: 'iothread', text });
}

export const iothreadType: ObjectType = {
  name: 'iothread',
  properties: Object.keys(DEFAULTS).map((name) => ({ name, type: 'int' })),
  create(id, properties) {
    const values = Object.entries(properties).map(([name, value]) => [name, checked(name, value)]);
    const context = new AioContext({ home: 'iothread', name: id });
    given.set(context, Object.fromEntries(values) as Record<string, number>);
  },
  find(id) {
    const context = AioContext.ioThread(id);
    return context && new IothreadObject(context);
  },
  ids: () => AioContext.ioThreads().map(({ name }) => name),
};
