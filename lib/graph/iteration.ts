// The nodes at the top of the graph, each once: those of the backends, then what only the monitor
// holds (QEMU: bdrv_next).

import { graph } from './graph.js';
import type { BlockNode } from './node.js';
import type { GraphRoot } from './root.js';

/** Holds the node it returned last, and its backend, until the next step or its end. */
export class TopLevelNodes implements IterableIterator<BlockNode>, Disposable {
  readonly #roots = graph().roots.values();
  readonly #nodes = graph().nodes.values();
  #held: (() => void) | undefined;
  #ended = false;

  /** Itself. */
  [Symbol.iterator](): this {
    return this;
  }

  /** The next node, which is held until the call after this one. */
  next(): IteratorResult<BlockNode> {
    const node = this.#ended ? undefined : (this.#nextOfBackend() ?? this.#nextOfMonitor());
    if (node === undefined) return this.return();
    return { done: false, value: node };
  }

  /** Lets go of what it holds; for-of calls it when it is left early. */
  return(): IteratorReturnResult<undefined> {
    this.#ended = true;
    this.#hold(undefined, undefined);
    return { done: true, value: undefined };
  }

  /** Like {@link return}. */
  [Symbol.dispose](): void {
    this.return();
  }

  #nextOfBackend(): BlockNode | undefined {
    for (let step = this.#roots.next(); !step.done; step = this.#roots.next()) {
      const root = step.value;
      const { node } = root;
      // Other backends on the node: the one that came last stands for all of them.
      if (node === undefined || newestRoot(node) !== root) continue;
      this.#hold(node, root);
      return node;
    }
    return undefined;
  }

  #nextOfMonitor(): BlockNode | undefined {
    for (let step = this.#nodes.next(); !step.done; step = this.#nodes.next()) {
      const node = step.value;
      if (!node.monitorOwned || node.hasBackend) continue;
      this.#hold(node, undefined);
      return node;
    }
    return undefined;
  }

  /** The next before the last, which may be what keeps the next. */
  #hold(node: BlockNode | undefined, root: GraphRoot | undefined): void {
    const before = this.#held;
    if (root !== undefined) root.references += 1;
    if (node !== undefined) node.references += 1;
    this.#held = () => {
      if (node !== undefined) letNodeGo(node);
      root?.letGo();
    };
    before?.();
  }
}

/**
 * The nodes that backends hold, in the order in which the backends were made, then those that only
 * the monitor holds, in the order in which it got them. What is current stays until the next step.
 * (bdrv_next)
 *
 * ```js
 * for (const node of topLevelNodes()) console.log(node.name);
 * ```
 */
export function topLevelNodes(): TopLevelNodes {
  return new TopLevelNodes();
}

function newestRoot(node: BlockNode): unknown {
  return node.parents.find(({ parent }) => parent.kind === 'block-backend')?.parent;
}

function letNodeGo(node: BlockNode): void {
  node.references -= 1;
  if (node.isUsed || node.isClosed) return;
  const closed = graph().lock.run(`close ${node.name}`, (change) =>
    graph().closeUnused(node, change),
  );
  closed.catch((error: unknown) => {
    process.emitWarning(`cannot close node '${node.name}': ${String(error)}`, 'BlockBackend');
  });
}
