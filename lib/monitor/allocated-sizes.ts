// What images occupy on their host, for queries: to find out takes time, and all else that a query
// shows is to be of one moment.

import type { BlockNode } from '../graph/node.js';
import { allocatedSize } from './graph-operations.js';

/** In bytes; undefined where nobody knows. */
export type AllocatedSizes = ReadonlyMap<BlockNode, number | undefined>;

/**
 * Asks the hosts of all nodes, and then gives what `build` makes of the answers and of the graph as
 * it is in that turn: nodes that came meanwhile are asked as well.
 */
export async function withAllocatedSizes<T>(
  nodes: () => Iterable<BlockNode>,
  build: (sizes: AllocatedSizes) => T,
): Promise<T> {
  const sizes = new Map<BlockNode, number | undefined>();
  for (;;) {
    const unknown = [...nodes()].filter((node) => !sizes.has(node));
    if (unknown.length === 0) return build(sizes);
    await Promise.all(
      unknown.map(async (node) => {
        sizes.set(node, await sizeOf(node));
      }),
    );
  }
}

/** A query goes on without what it cannot find out, as in QEMU. */
async function sizeOf(node: BlockNode): Promise<number | undefined> {
  try {
    return await allocatedSize(node);
  } catch {
    return undefined;
  }
}
