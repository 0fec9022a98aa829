// Shortening a chain of backing files.

import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { Edge } from './edge.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import { BlockNode } from './node.js';
import { whileWritable } from './reopen-read-only.js';
import { chain } from './surgery.js';

/**
 * What stands between the overlays of `top` and `base` goes out of the chain: the overlays get
 * `base` as their backing file, and their images are told its name. (bdrv_drop_intermediate)
 */
export async function dropIntermediate(
  graph: Graph,
  top: BlockNode,
  base: BlockNode,
  backingName: string,
  change: GraphChange,
): Promise<void> {
  if (chain(top, base) === undefined) {
    const text = `it is not below '${top.name}'`;
    throw new BlockError(Errno.EINVAL, { operation: 'drop intermediate', node: base.name, text });
  }
  const edges = top.parents.filter(({ parent }) => parent instanceof BlockNode);
  const overlays = edges.map(({ parent }) => parent as BlockNode);
  await whileWritable(graph, overlays, change, async () => {
    await leadAll(graph, edges, base, change);
    for (const overlay of overlays) {
      await overlay.driver.setBackingName?.(overlay, backingName);
    }
  });
  await graph.closeUnused(top, change);
}

async function leadAll(
  graph: Graph,
  edges: readonly Edge[],
  to: BlockNode,
  change: GraphChange,
): Promise<void> {
  const touched = edges.flatMap(({ parent, child }) => [parent, child]);
  await graph.transact(
    change,
    () => [...touched, to],
    (transaction) => {
      for (const edge of edges) transaction.lead(edge, to);
    },
  );
}
