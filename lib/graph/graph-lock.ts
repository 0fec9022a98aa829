// Graph changes of an environment run one at a time, in the order in which they were asked for.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** The right to change the graph, handed to whatever is part of the change. */
export class GraphChange {
  readonly name: string;

  /** @internal */
  constructor(name: string) {
    this.name = name;
  }
}

export class GraphLock {
  #tail: Promise<void> = Promise.resolve();
  #inside: GraphChange | undefined;

  /**
   * Runs `body` when all earlier changes are done. Fails with EDEADLK when called from code that a
   * running change waits for (see {@link GraphLock.guard}).
   */
  run<T>(name: string, body: (change: GraphChange) => Promise<T>): Promise<T> {
    const holder = this.#inside;
    if (holder !== undefined) return Promise.reject(deadlock(name, holder));
    const change = new GraphChange(name);
    const result = this.#tail.then(() => body(change));
    this.#tail = result.then(ignore, ignore);
    return result;
  }

  /** Calls foreign code in the middle of a change; the change waits until it returns. */
  guard<T>(change: GraphChange, foreign: () => T): T {
    const outer = this.#inside;
    this.#inside = change;
    try {
      return foreign();
    } finally {
      this.#inside = outer;
    }
  }
}

function ignore(): void {}

function deadlock(operation: string, holder: GraphChange): BlockError {
  const text = `the graph change '${holder.name}' waits for this very call`;
  return new BlockError(Errno.EDEADLK, { operation, text });
}
