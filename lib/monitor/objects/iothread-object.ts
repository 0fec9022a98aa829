// IOThreads as objects (QAPI: IothreadProperties).

import { AioContext } from '../../aio/context.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import type { ObjectType, UserObject } from './object-type.js';

const POLL_MAX = 'poll-max-ns';
const POLL_MAX_DEFAULT = 32_768;

/** QEMU's, for those who set or read them. The first is our own; the others change nothing here. */
const DEFAULTS: Readonly<Record<string, number>> = {
  [POLL_MAX]: POLL_MAX_DEFAULT,
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
    const number = checked(property, value);
    if (property === POLL_MAX) this.#context.setPollMaxNs(number);
    given.set(this.#context, { ...others, [property]: number });
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
    const numbers: Record<string, number> = Object.fromEntries(values);
    const pollMax = numbers[POLL_MAX] ?? POLL_MAX_DEFAULT;
    const context = new AioContext({ home: 'iothread', name: id, [POLL_MAX]: pollMax });
    given.set(context, numbers);
  },
  find(id) {
    const context = AioContext.ioThread(id);
    return context && new IothreadObject(context);
  },
  ids: () => AioContext.ioThreads().map(({ name }) => name),
};
