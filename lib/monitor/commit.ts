// Moving what overlays hold into their backing files (HMP: commit all; blk_commit_all).

import { Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { type Graph, graph } from '../graph/graph.js';
import type { GraphChange } from '../graph/graph-lock.js';
import type { BlockNode } from '../graph/node.js';
import { setReadOnly } from '../graph/reopen-read-only.js';

const OPERATION = 'commit';

/**
 * Commits the overlay of every backend that has one, in order of creation. Backends without a
 * medium or without a backing file are passed over. (blk_commit_all)
 *
 * @throws (rejects) BlockError of the first that fails.
 */
export async function commitAll(): Promise<void> {
  await graph().lock.run('commit all', async (change) => {
    for (const { node } of graph().roots) {
      if (node?.backing !== undefined) await commitNode(graph(), node, change);
    }
  });
}

/**
 * Commits the overlay of one drive, by its name.
 *
 * @throws (rejects) BlockError ENODEV: no such drive; ENOTSUP without a backing file, or where the
 * driver cannot; EBUSY where somebody blocks it.
 */
export async function commitDevice(device: string): Promise<void> {
  await graph().lock.run('commit', async (change) => {
    const root = graph().names.device(device);
    const failure = (errno: number, text: string): BlockError =>
      new BlockError(errno, { operation: OPERATION, device, text });
    if (root === undefined) throw failure(Errno.ENODEV, `there is no device '${device}'`);
    if (root.node?.backing === undefined) throw failure(Errno.ENOTSUP, 'it has no backing file');
    await commitNode(graph(), root.node, change);
  });
}

/**
 * Commits one overlay. A backing file that is read-only is reopened for writing meanwhile.
 *
 * @throws (rejects) BlockError ENOTSUP where the driver cannot, EBUSY where somebody blocks it.
 */
async function commitNode(owner: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  const edge = node.backing;
  if (edge === undefined || node.driver.commit === undefined) {
    const text = `the driver '${node.driver.name}' cannot commit`;
    throw new BlockError(Errno.ENOTSUP, { operation: OPERATION, node: node.name, text });
  }
  const blocked = node.opBlocked('commit-source') ?? edge.child.opBlocked('commit-target');
  if (blocked !== undefined) {
    throw new BlockError(Errno.EBUSY, { operation: OPERATION, node: node.name, text: blocked });
  }
  const wasReadOnly = edge.child.readOnly;
  if (wasReadOnly) await setReadOnly(owner, edge.child, false, change);
  try {
    const writes = Permission.write | Permission.resize;
    await owner.transactQuietly(change, (transaction) => transaction.setExtra(edge, writes));
    await node.driver.commit(node);
  } finally {
    await owner.transactQuietly(change, (transaction) => transaction.setExtra(edge, 0));
    if (wasReadOnly) await setReadOnly(owner, edge.child, true, change);
  }
}
