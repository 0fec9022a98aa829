// Making everything durable, as before a machine stops (bdrv_flush_all).

import { environment } from '../aio/environment.js';
import { graph } from '../graph/graph.js';
import { topLevelNodes } from '../graph/iteration.js';

/**
 * Flushes the nodes at the top of the graph, and with them all below, one after the other. One that
 * fails does not keep the others from being flushed. (bdrv_flush_all)
 *
 * @throws (rejects) BlockError: the first error.
 */
export async function flushAll(): Promise<void> {
  const { binding } = environment();
  const errors: unknown[] = [];
  for (const node of topLevelNodes()) {
    try {
      await graph().control(node, (slot, handle) => binding.nodeFlush(slot, handle), 'flush');
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
