// Images that are written for a moment, and read-only before and after.

import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';
import { OptionBag } from './option-bag.js';
import { reopen } from './reopen.js';
import { planReopen } from './reopen-plan.js';

/** (bdrv_reopen_set_read_only) @throws (rejects) BlockError; then it is as it was. */
export async function setReadOnly(
  graph: Graph,
  node: BlockNode,
  readOnly: boolean,
  change: GraphChange,
): Promise<void> {
  const bag = OptionBag.from({ 'read-only': readOnly });
  await reopen(graph, planReopen(graph, [{ node, bag }], 'keep'), change);
}

/** Runs `body` while none of the nodes is read-only; those that were are so again afterwards. */
export async function whileWritable<T>(
  graph: Graph,
  nodes: Iterable<BlockNode>,
  change: GraphChange,
  body: () => Promise<T>,
): Promise<T> {
  const opened: BlockNode[] = [];
  try {
    for (const node of nodes) {
      if (!node.readOnly) continue;
      await setReadOnly(graph, node, false, change);
      opened.push(node);
    }
    return await body();
  } finally {
    for (const node of opened.reverse()) {
      if (!node.isClosed) await setReadOnly(graph, node, true, change);
    }
  }
}
