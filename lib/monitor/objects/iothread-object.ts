// IOThreads as objects (QAPI: IothreadProperties).

import { AioContext } from '../../aio/context.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import type { ObjectType, UserObject } from './object-type.js';

/** The one that a context has itself. */
const POLL_MAX = 'poll-max-ns';

/** QEMU's, for those who set or read them: they change nothing here. */
const DEFAULTS: Readonly<Record<string, number>> = {
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
    if (property === POLL_MAX) return this.#context.info().pollMaxNs;
    return given.get(this.#context)?.[property] ?? DEFAULTS[property];
  }

  set(property: string, value: unknown): void {
    const number = checked(property, value);
    if (property === POLL_MAX) this.#context.setPollMaxNs(number);
    else given.set(this.#context, { ...given.get(this.#context), [property]: number });
  }
}

function checked(property: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const text = `${property} must be an integer of at least 0`;
  throw new BlockError(Errno.EINVAL, { operation: 'iothread', text });
}

export const iothreadType: ObjectType = {
  name: 'iothread',
  properties: [POLL_MAX, ...Object.keys(DEFAULTS)].map((name) => ({ name, type: 'int' })),
  create(id, properties) {
    const values = Object.entries(properties).map(
      ([name, value]) => [name, checked(name, value)] as const,
    );
    const { [POLL_MAX]: pollMax, ...others } = Object.fromEntries(values);
    const own = pollMax === undefined ? {} : { [POLL_MAX]: pollMax };
    given.set(new AioContext({ home: 'iothread', name: id, ...own }), others);
  },
  find(id) {
    const context = AioContext.ioThread(id);
    return context && new IothreadObject(context);
  },
  ids: () => AioContext.ioThreads().map(({ name }) => name),
};
