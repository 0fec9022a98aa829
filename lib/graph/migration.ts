// Handing images over to another process and taking them back (QEMU: bdrv_inactivate,
// bdrv_activate).
//
//   inactivate: from above to below. quiet -> flush -> driver -> every user gives up, flag, locks
//   activate:   from below to above. flag, permissions, locks -> driver, length -> users

import { Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { GraphParent } from './edge.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import { BlockNode } from './node.js';
import { cumulative } from './permissions.js';
import { GraphRoot } from './root.js';
import { topologicalOrder } from './topology.js';
import type { GraphTransaction } from './transaction.js';

const OPERATION = 'inactivate';
const WRITING = Permission.write | Permission.writeUnchanged;

/** What a backend holds of what it wants. */
export interface Holding {
  /** Nothing, for the time being. */
  readonly disabled: boolean;
  /** It lets others do everything until the machine runs (INACT-4). */
  readonly sharesAll: boolean;
}

/** Edits what a backend holds; what it wants stays remembered. */
export function setHolding(
  transaction: GraphTransaction,
  root: GraphRoot,
  to: Holding,
  tightens: boolean,
): void {
  const before = { disabled: root.permissionsDisabled, sharesAll: root.sharesAll };
  const set = (holding: Holding) => () => {
    root.permissionsDisabled = holding.disabled;
    root.sharesAll = holding.sharesAll;
  };
  transaction.wants(root, set(to), set(before), tightens);
}

export function disable(transaction: GraphTransaction, root: GraphRoot): void {
  setHolding(transaction, root, { disabled: true, sharesAll: false }, false);
}

/** Nodes that no other node uses, and from there all below, each after all nodes above it. */
function fromAbove(graph: Graph): BlockNode[] {
  const tops = [...graph.nodes].filter(
    (node) => !node.parents.some(({ parent }) => parent instanceof BlockNode),
  );
  return topologicalOrder(tops);
}

function rootsOf(node: BlockNode): GraphRoot[] {
  return node.parents.flatMap(({ parent }) => (parent instanceof GraphRoot ? [parent] : []));
}

/** @throws (rejects) BlockError of the first user that refuses; nodes above it are inactive. */
export async function inactivateAll(graph: Graph, change: GraphChange): Promise<void> {
  for (const node of fromAbove(graph)) await inactivateNode(graph, node, change);
}

/** A request that is under way must not reach an image that belongs to another process. */
async function inactivateNode(graph: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  if (node.inactive || node.isClosed) return;
  const { binding } = graph.environment;
  const section = graph.drains.begin(() => [node]);
  try {
    await section.quiet();
    await graph.control(node, (slot, handle) => binding.nodeFlush(slot, handle), OPERATION);
    await graph.control(node, (slot, handle) => binding.nodeInactivate(slot, handle), OPERATION);
    await graph.transactQuietly(change, (transaction) => {
      for (const { parent } of node.parents) giveUp(transaction, parent);
      checkNoWriter(node);
      transaction.setState(node, { inactive: true }, { tightens: false });
    });
  } finally {
    section.end();
  }
}

/** @throws BlockError EPERM when the user refuses. */
function giveUp(transaction: GraphTransaction, parent: GraphParent): void {
  const refusal = parent.refusesInactivation?.();
  if (refusal !== undefined) throw refusal;
  if (parent instanceof GraphRoot) disable(transaction, parent);
}

/** @throws BlockError EPERM when somebody writes who cannot give it up, such as a job. */
function checkNoWriter(node: BlockNode): void {
  const wants = node.parents.map((edge) => edge.parent.wantedGrant(edge));
  if ((cumulative(wants).permissions & WRITING) === 0) return;
  const text = 'a user goes on writing';
  throw new BlockError(Errno.EPERM, { operation: OPERATION, node: node.name, text });
}

/**
 * Everything below first. Users of a node that was active all the time are told, too: they may
 * have come while another machine had the image. A failure leaves the node as inactive as it was.
 *
 * @throws (rejects) BlockError
 */
export async function activateNode(
  graph: Graph,
  node: BlockNode,
  change: GraphChange,
): Promise<void> {
  for (const { edge } of [...node.children]) await activateNode(graph, edge.child, change);
  if (node.isClosed) return;
  const wasInactive = node.inactive;
  const disabled = rootsOf(node).filter((root) => root.permissionsDisabled);
  try {
    if (wasInactive) await takeBack(graph, node, change);
    for (const edge of [...node.parents]) await edge.parent.activate?.(edge, change);
  } catch (error) {
    if (wasInactive) {
      await graph.transactQuietly(change, (transaction) => {
        for (const root of disabled) disable(transaction, root);
        transaction.setState(node, { inactive: true }, { tightens: false });
      });
    }
    throw error;
  }
}

async function takeBack(graph: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  const { binding } = graph.environment;
  await graph.transactQuietly(change, (transaction) =>
    transaction.setState(node, { inactive: false }),
  );
  await graph.control(node, (slot, handle) => binding.nodeInvalidate(slot, handle), 'activate');
}

/** @throws (rejects) BlockError of the first that fails. */
export async function activateAll(graph: Graph, change: GraphChange): Promise<void> {
  for (const node of fromAbove(graph)) await activateNode(graph, node, change);
}
