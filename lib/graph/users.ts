// What happens to a node when a user has left it.

import { AioContext } from '../aio/context.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { moveContext } from './context-move.js';
import type { Edge } from './edge.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';
import { component, subtree } from './topology.js';

/** A node that nobody keeps in another loop goes back to the main one (CTX-16). */
export async function goHome(graph: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  if (node.isClosed || node.context === AioContext.main) return;
  for (const user of component(node).users) if (user.pinsContext) return;
  try {
    await moveContext(graph, node, AioContext.main, undefined, change);
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
  }
}

/** Closes what nobody uses any more, and sends what stays home, below `node` too. */
export async function afterUser(graph: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  const nodes = subtree(node);
  await graph.closeUnused(node, change);
  for (const left of nodes) await goHome(graph, left, change);
}

/** The nodes that are closed when these go. */
function closesWith(edges: readonly Edge[]): BlockNode[] {
  const gone = new Set(edges);
  const closing: BlockNode[] = [];
  const visit = (node: BlockNode): void => {
    const isHeld = node.monitorOwned || node.references > 0;
    if (isHeld || node.parents.some((parent) => !gone.has(parent))) return;
    closing.push(node);
    for (const { edge: below } of node.children) {
      gone.add(below);
      visit(below.child);
    }
  };
  for (const { child } of edges) visit(child);
  return closing;
}

/** @throws BlockUsageError when a node would be closed that somebody blocks (OPB-7). */
export function checkClosable(...edges: readonly (Edge | undefined)[]): void {
  const leaving = edges.filter((edge) => edge !== undefined);
  for (const node of closesWith(leaving)) checkUnblocked(node);
}

/** @throws BlockUsageError */
function checkUnblocked(node: BlockNode): void {
  const reason = node.foreignBlocker;
  if (reason === undefined) return;
  throw new BlockUsageError(`node '${node.name}' is still blocked: ${reason.message}`);
}

/** @throws BlockUsageError when a job uses a node, or somebody holds or blocks one. */
export function checkNobodyElse(nodes: Iterable<BlockNode>): void {
  for (const node of nodes) {
    const job = node.parents.find(({ parent }) => parent.kind === 'block-job');
    if (job !== undefined) {
      throw new BlockUsageError(`${job.parent.describe()} still uses node '${node.name}'`);
    }
    if (node.references > 0) throw new BlockUsageError(`node '${node.name}' is still held`);
    checkUnblocked(node);
  }
}
