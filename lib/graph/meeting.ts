// Nodes that are to hang together must be in one context first (CTX-9).

import type { AioContext } from '../aio/context.js';
import { moveContext } from './context-move.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';

interface Move {
  readonly node: BlockNode;
  readonly from: AioContext;
}

async function move(
  graph: Graph,
  node: BlockNode,
  to: AioContext,
  change: GraphChange,
): Promise<Move> {
  const from = node.context;
  await moveContext(graph, node, to, undefined, change);
  return { node, from };
}

/** The guest goes to its host, or else the host to the guest. @throws (rejects) BlockError EPERM */
async function meet(
  graph: Graph,
  guest: BlockNode,
  host: BlockNode,
  change: GraphChange,
): Promise<Move> {
  try {
    return await move(graph, guest, host.context, change);
  } catch (refusal) {
    try {
      return await move(graph, host, guest.context, change);
    } catch {
      throw refusal;
    }
  }
}

/**
 * Runs `body` with all guests where their host is. When it is refused, all are back where they
 * were: a refused change has changed nothing.
 *
 * @throws (rejects) BlockError EPERM when neither may move, and whatever `body` gives.
 */
export async function together<T>(
  graph: Graph,
  host: BlockNode,
  guests: Iterable<BlockNode>,
  change: GraphChange,
  body: () => Promise<T>,
): Promise<T> {
  const moves: Move[] = [];
  try {
    for (const guest of guests) {
      if (guest.context !== host.context) moves.push(await meet(graph, guest, host, change));
    }
    return await body();
  } catch (error) {
    for (const { node, from } of moves.reverse()) {
      if (!node.isClosed) await move(graph, node, from, change);
    }
    throw error;
  }
}
