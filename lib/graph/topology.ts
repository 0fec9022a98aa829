// Walks over the graph that change nothing.

import type { GraphParent } from './edge.js';
import { BlockNode } from './node.js';

/** The given nodes and all below them, each before its children. */
export function topologicalOrder(starts: Iterable<BlockNode>): BlockNode[] {
  const order: BlockNode[] = [];
  const seen = new Set<BlockNode>();
  const visit = (node: BlockNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const { edge } of node.children) visit(edge.child);
    order.push(node);
  };
  for (const start of starts) visit(start);
  return order.reverse();
}

/** `node` and everything below it. */
export function subtree(node: BlockNode): Set<BlockNode> {
  const found = new Set([node]);
  // A set grows while it is iterated, and iteration goes on with what was added.
  for (const next of found) for (const { edge } of next.children) found.add(edge.child);
  return found;
}

export function reaches(from: BlockNode, to: GraphParent): boolean {
  return to instanceof BlockNode && subtree(from).has(to);
}

/** Nodes above `starts`, the starts included, each before those above it. */
export function nodesAbove(starts: Iterable<BlockNode>): BlockNode[] {
  const found = new Set<BlockNode>();
  const order: BlockNode[] = [];
  const visit = (node: BlockNode): void => {
    if (found.has(node)) return;
    found.add(node);
    for (const { parent } of node.parents) if (parent instanceof BlockNode) visit(parent);
    order.push(node);
  };
  for (const start of starts) visit(start);
  return order.reverse();
}

/** All nodes and all their users that hang together with `start`, over edges in both directions. */
export interface Component {
  readonly nodes: ReadonlySet<BlockNode>;
  /** Parents that are no nodes. */
  readonly users: ReadonlySet<GraphParent>;
}

export function component(start: BlockNode): Component {
  const nodes = new Set([start]);
  const users = new Set<GraphParent>();
  for (const node of nodes) {
    for (const { edge } of node.children) nodes.add(edge.child);
    for (const { parent } of node.parents) {
      if (parent instanceof BlockNode) nodes.add(parent);
      else users.add(parent);
    }
    // Users reach further nodes only if they have several edges.
    for (const user of users) for (const other of otherNodes(user)) nodes.add(other);
  }
  return { nodes, users };
}

/** A job's nodes hang together although no edge leads from one to the other. */
function otherNodes(user: GraphParent): Iterable<BlockNode> {
  const { edges } = user as { readonly edges?: readonly { readonly child: BlockNode }[] };
  return edges?.map(({ child }) => child) ?? [];
}
