// Lists of foreign code to call. Newest first; removing while the list is called is safe.

import { BlockUsageError } from '../errors/block-error.js';

/** Most lists stay empty; they share one. */
const NONE: readonly never[] = [];

export class Notifiers<T> {
  readonly #name: string;
  #list: readonly T[] = NONE;

  constructor(name: string) {
    this.#name = name;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  add(notifier: T): void {
    this.#list = [notifier, ...this.#list];
  }

  /** The newest that matches. @throws BlockUsageError when none does. */
  remove(matches: (notifier: T) => boolean): void {
    const found = this.#list.find(matches);
    if (found === undefined) throw new BlockUsageError(`there is no such ${this.#name} notifier`);
    const index = this.#list.indexOf(found);
    this.#list = this.#list.toSpliced(index, 1);
  }

  /** What one throws is an uncaught exception and disturbs nobody here. */
  call(notify: (notifier: T) => void): void {
    for (const notifier of this.#list) {
      // Removed by one that ran before it.
      if (!this.#list.includes(notifier)) continue;
      callForeign(() => notify(notifier), undefined);
    }
  }
}

/** Runs foreign code; what it throws is an uncaught exception and disturbs nobody here. */
export function callForeign<T>(hook: () => T, otherwise: T): T {
  try {
    return hook();
  } catch (error) {
    process.nextTick(() => {
      throw error;
    });
    return otherwise;
  }
}
