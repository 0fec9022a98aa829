// Nodes that nobody but the monitor holds, for tests of who keeps what.
import { graph } from '../../lib/graph/graph.js';
import { type BlockdevOptions, type BlockNode, blockdevAdd } from '../../lib/index.js';

let count = 0;

/** A node that only the monitor holds, in the main context. */
export function monitorNode(options: BlockdevOptions): Promise<BlockNode> {
  count += 1;
  return blockdevAdd({ 'node-name': `monitor${count}`, ...options });
}

/** Unlike blockdev-del it leaves the node to its other users, if there are any. */
export async function dropMonitorNode(node: BlockNode): Promise<void> {
  node.monitorOwned = false;
  await graph().lock.run('drop', (change) => graph().closeUnused(node, change));
}
