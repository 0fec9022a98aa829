// Operations on the graph under its users: an overlay on top, a node in place of another, a filter
// out of the way. Each is one transaction; a refused one has changed nothing.

import { ChildRole } from '../aio/protocol.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { type ChildDefinition, childrenOf } from './driver-definition.js';
import type { Edge } from './edge.js';
import type { Graph } from './graph.js';
import type { GraphChange } from './graph-lock.js';
import { together } from './meeting.js';
import type { BlockNode } from './node.js';
import { reaches, subtree } from './topology.js';
import type { GraphTransaction } from './transaction.js';
import { goHome } from './users.js';

/** The child that a node stands on: what it filters, or what it does not have itself. */
export function baseEdge(node: BlockNode): Edge | undefined {
  return node.filtered ?? node.backing;
}

/** Users have left it: it is closed without any, and goes home when nobody holds its loop. */
async function release(graph: Graph, node: BlockNode, change: GraphChange): Promise<void> {
  await graph.closeUnused(node, change);
  await goHome(graph, node, change);
}

/** Roles of the child that a node stands on. */
const STANDS_ON = ChildRole.filtered | ChildRole.cow;

function graphError(errno: number, node: BlockNode, text: string): BlockError {
  return new BlockError(errno, { operation: 'change the graph', node: node.name, text });
}

/** Where a node takes a backing or a filtered child. */
function definitionFor(node: BlockNode, name: string): ChildDefinition | undefined {
  const own = node.child(name)?.definition;
  return own ?? childrenOf(node.driver, node.options).find((child) => child.name === name);
}

/** The users of a node whose edges change: requests come through them. */
function usersOf(node: BlockNode): Iterable<Edge['parent']> {
  return node.parents.map(({ parent }) => parent);
}

/**
 * Leads the users of `from` to `to`, except those that must stay: jobs, and whoever is below `to`
 * itself, whose edge would close a circle (GRAPH-19..21).
 */
function leadUsers(transaction: GraphTransaction, from: BlockNode, to: BlockNode): void {
  for (const edge of [...from.parents]) {
    if (edge.parent.stayPut === true || reaches(to, edge.parent)) continue;
    transaction.lead(edge, to);
  }
}

/**
 * `overlay` gets `top` as its backing (or filtered) child, and everybody who used `top` uses
 * `overlay` from now on. (bdrv_append)
 */
export async function append(
  graph: Graph,
  overlay: BlockNode,
  top: BlockNode,
  change: GraphChange,
): Promise<void> {
  const definition = childrenOf(overlay.driver, overlay.options).find(
    (child) => (child.role(overlay.options) & STANDS_ON) !== 0,
  );
  if (definition === undefined || baseEdge(overlay) !== undefined) {
    const text = `the driver '${overlay.driver.name}' takes no further node to stand on`;
    throw graphError(Errno.EINVAL, overlay, text);
  }
  // Users keep their loop: the overlay comes to them.
  await together(graph, top, [overlay], change, () =>
    graph.transact(
      change,
      () => [overlay, top, ...usersOf(top)],
      (transaction) => {
        const edge = transaction.attachChild(overlay, definition, top);
        for (const user of [...top.parents]) {
          if (user === edge || user.parent.stayPut === true) continue;
          // Below the overlay itself: leading it there would close a circle.
          if (reaches(overlay, user.parent)) continue;
          transaction.lead(user, overlay);
        }
      },
    ),
  );
}

/** Everybody who uses `from` uses `to` from now on. (bdrv_replace_node) */
export async function replace(
  graph: Graph,
  from: BlockNode,
  to: BlockNode,
  change: GraphChange,
): Promise<void> {
  await together(graph, from, [to], change, () =>
    graph.transact(
      change,
      () => [from, to, ...usersOf(from)],
      (transaction) => leadUsers(transaction, from, to),
    ),
  );
  await release(graph, from, change);
}

/** The users of a filter use its child from now on, and the filter's own link goes. */
export async function dropFilter(
  graph: Graph,
  filter: BlockNode,
  change: GraphChange,
): Promise<void> {
  const edge = filter.filtered;
  if (edge === undefined) {
    throw graphError(Errno.EINVAL, filter, `'${filter.name}' is no filter`);
  }
  await graph.transact(
    change,
    () => [filter, edge.child, ...usersOf(filter)],
    (transaction) => {
      const { child } = edge;
      transaction.detach(edge);
      for (const user of [...filter.parents]) transaction.lead(user, child);
    },
  );
  await release(graph, filter, change);
}

/** Puts `backing` below a node, in place of what was there; null takes it away. (GRAPH-18) */
export async function setBacking(
  graph: Graph,
  node: BlockNode,
  backing: BlockNode | null,
  change: GraphChange,
): Promise<void> {
  const old = node.backing;
  const definition = definitionFor(node, 'backing');
  if (definition === undefined) {
    const text = `the driver '${node.driver.name}' does not support backing files`;
    throw graphError(Errno.EINVAL, node, text);
  }
  const before = old?.child;
  const after = backing === null ? [] : [backing];
  await together(graph, node, after, change, () =>
    graph.transact(
      change,
      () => [node, ...(before === undefined ? [] : [before]), ...after],
      (transaction) => setBackingIn(transaction, node, definition, backing),
    ),
  );
  if (before !== undefined && before !== backing) {
    await release(graph, before, change);
  }
}

export function setBackingIn(
  transaction: GraphTransaction,
  node: BlockNode,
  definition: ChildDefinition,
  backing: BlockNode | null,
): void {
  const old = node.backing;
  if (old !== undefined && backing !== null) transaction.lead(old, backing);
  else if (old !== undefined) transaction.detach(old);
  else if (backing !== null) transaction.attachChild(node, definition, backing);
}

/** The nodes from `top` down to `base`, both included; undefined when base is not below. */
export function chain(top: BlockNode, base: BlockNode): BlockNode[] | undefined {
  const nodes: BlockNode[] = [];
  for (let node: BlockNode | undefined = top; node !== undefined; node = baseEdge(node)?.child) {
    nodes.push(node);
    if (node === base) return nodes;
  }
  return undefined;
}

function chainLinks(top: BlockNode, base: BlockNode): Edge[] {
  const nodes = chain(top, base);
  if (nodes === undefined) {
    throw graphError(Errno.EINVAL, base, `it is not below '${top.name}'`);
  }
  return nodes.slice(0, -1).map((node) => baseEdge(node) as Edge);
}

/**
 * All links from `top` down to `base` must stay where they are until they are thawed.
 * (bdrv_freeze_backing_chain)
 *
 * @throws BlockError EPERM when one of them is frozen already; then none is frozen more.
 */
export function freezeChain(top: BlockNode, base: BlockNode): void {
  const links = chainLinks(top, base);
  const frozen = links.find((edge) => edge.frozen > 0);
  if (frozen !== undefined) {
    const text = `the link from ${frozen.parent.describe()} to '${frozen.child.name}' is frozen`;
    throw graphError(Errno.EPERM, frozen.child, text);
  }
  for (const edge of links) edge.frozen += 1;
}

/** @throws BlockUsageError when one of the links is not frozen; then none is thawed. */
export function thawChain(top: BlockNode, base: BlockNode): void {
  const links = chainLinks(top, base);
  if (links.some((edge) => edge.frozen === 0)) {
    throw new BlockUsageError(`the chain from '${top.name}' to '${base.name}' is not frozen`);
  }
  for (const edge of links) edge.frozen -= 1;
}

/** Put there by an operation, not by a user: it is not to be seen (REOP-11). */
export function isImplicitFilter(node: BlockNode): boolean {
  return node.implicit && node.filtered !== undefined;
}

/** What users take a child for: filters that they did not put there are not seen. */
export function skipImplicitFilters(node: BlockNode): BlockNode {
  return isImplicitFilter(node) ? skipImplicitFilters((node.filtered as Edge).child) : node;
}

/** Whether a node is part of what another stands on. */
export function isBelow(node: BlockNode, above: BlockNode): boolean {
  return subtree(above).has(node);
}
