// Moving a whole connected graph into another context, or refusing it (CTX-3).
//
//   ask every user -> begin on all of it -> quiet -> detach notifiers -> native/ moves nodes,
//   backends and what is parked in them, in order -> attached notifiers -> end

import type { AioContext } from '../aio/context.js';
import type { Environment } from '../aio/environment.js';
import type { Handle } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { Drains } from './drain.js';
import type { GraphParent } from './edge.js';
import type { GraphChange, GraphLock } from './graph-lock.js';
import { BlockNode } from './node.js';
import { GraphRoot } from './root.js';
import { type Component, component } from './topology.js';

const OPERATION = 'change context';

/** What a move needs of the graph. */
export interface MovableGraph {
  readonly environment: Environment;
  readonly drains: Drains;
  readonly lock: GraphLock;
}

function componentOf(start: BlockNode | GraphRoot): Component {
  const node = start instanceof BlockNode ? start : start.node;
  if (node !== undefined) return component(node);
  return { nodes: new Set(), users: new Set([start]) };
}

/** @throws BlockError EPERM: the first user that refuses. */
function ask({ users }: Component, to: AioContext, initiator: GraphParent | undefined): void {
  for (const user of users) {
    const text = user.refusesMove({ to, initiator });
    if (text !== undefined) throw new BlockError(Errno.EPERM, { operation: OPERATION, text });
  }
}

/**
 * Moves everything that hangs together with `start`.
 *
 * @param initiator moves by its own wish and is not asked.
 * @throws (rejects) BlockError EPERM when a user refuses; then nothing has moved.
 */
export async function moveContext(
  graph: MovableGraph,
  start: BlockNode | GraphRoot,
  to: AioContext,
  initiator: GraphParent | undefined,
  change: GraphChange,
): Promise<void> {
  const from = start.context;
  if (from === to) return;
  const { handle } = to; // a closed one throws, before anybody is told
  const { nodes, users } = componentOf(start);
  ask({ nodes, users }, to, initiator);
  const section = graph.drains.begin(() => [...nodes, ...users]);
  try {
    await section.quiet();
    await section.whenQuiet(() => {
      // A device may have been attached while this waited.
      ask({ nodes, users }, to, initiator);
      moveNow(graph, { nodes, users }, { from, to, handle }, change);
    });
  } finally {
    section.end();
  }
}

function moveNow(
  graph: MovableGraph,
  { nodes, users }: Component,
  { from, to, handle }: { from: AioContext; to: AioContext; handle: Handle },
  change: GraphChange,
): void {
  graph.lock.guard(change, () => {
    for (const user of users) user.contextDetach?.();
  });
  const errno = moveNatively(graph, { nodes, users }, handle);
  const now = errno < 0 ? from : to;
  if (now === to) for (const member of [...nodes, ...users]) member.moved(to);
  graph.lock.guard(change, () => {
    for (const user of users) user.contextAttached?.(now);
  });
  if (errno < 0) throw new BlockError(errno, { operation: OPERATION });
}

/** 0, or a negative errno; then nothing has moved. */
function moveNatively(
  { environment }: MovableGraph,
  { nodes, users }: Component,
  to: Handle,
): number {
  const nodeHandles = [...nodes].map(({ handle }) => handle);
  const roots = [...users].filter((user) => user instanceof GraphRoot);
  const rootHandles = roots.map(({ handle }) => handle);
  return environment.binding.graphMove(nodeHandles, rootHandles, to);
}
