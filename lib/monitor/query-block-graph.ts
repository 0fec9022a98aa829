// Who uses which nodes, and with which permissions (QMP: x-debug-query-block-graph).

import type { Edge, GraphParent } from '../graph/edge.js';
import { graph } from '../graph/graph.js';
import { BlockNode } from '../graph/node.js';
import { type PermissionName, permissionNames } from '../graph/permissions.js';
import { GraphRoot } from '../graph/root.js';
import { openNodes } from './query-named-block-nodes.js';

/** QAPI: XDbgBlockGraphNode. */
export interface XDbgBlockGraphNode {
  /** Unique in this reply, and nowhere else. */
  readonly id: number;
  /** QAPI: XDbgBlockGraphNodeType. */
  readonly type: GraphParent['kind'];
  /** Of a backend without one the id or path of its device; '' without either. */
  readonly name: string;
}

/** QAPI: XDbgBlockGraphEdge. */
export interface XDbgBlockGraphEdge {
  /** Ids of this reply. */
  readonly parent: number;
  readonly child: number;
  /** What the child is to its parent: 'root', 'file', 'backing' ... */
  readonly name: string;
  readonly perm: readonly PermissionName[];
  readonly 'shared-perm': readonly PermissionName[];
}

/** QAPI: XDbgBlockGraph. */
export interface XDbgBlockGraph {
  readonly nodes: readonly XDbgBlockGraphNode[];
  readonly edges: readonly XDbgBlockGraphEdge[];
}

/**
 * All nodes, all backends and all jobs of this environment, with their edges, newest first. For
 * debugging: {@link graphDump} has more. (bdrv_get_xdbg_block_graph)
 */
export function xDebugQueryBlockGraph(): XDbgBlockGraph {
  const nodes = openNodes();
  const parents: GraphParent[] = [...graph().roots, ...otherParents(nodes), ...nodes];
  const ids = new Map(parents.map((parent, index) => [parent, index + 1]));
  // A node that is about to close may still have its children.
  const edges = nodes
    .flatMap((node) => node.parents)
    .filter(({ parent }) => ids.has(parent))
    .map((edge) => edgeInfo(edge, ids));
  return Object.freeze({
    nodes: Object.freeze(parents.map((parent) => nodeInfo(parent, ids)).reverse()),
    edges: Object.freeze(edges.reverse()),
  });
}

/** Jobs: nobody but their edges knows them. */
function otherParents(nodes: readonly BlockNode[]): Set<GraphParent> {
  const parents = nodes.flatMap((node) => node.parents.map(({ parent }) => parent));
  return new Set(
    parents.filter((parent) => !(parent instanceof BlockNode || parent instanceof GraphRoot)),
  );
}

function nameOf(parent: GraphParent & { readonly name?: string }): string {
  if (parent instanceof GraphRoot) return parent.deviceName || parent.attachedId;
  return parent.name ?? parent.describe();
}

function nodeInfo(parent: GraphParent, ids: ReadonlyMap<GraphParent, number>): XDbgBlockGraphNode {
  const id = ids.get(parent) as number;
  return Object.freeze({ id, type: parent.kind, name: nameOf(parent) });
}

function edgeInfo(
  { parent, child, name, permissions, shared }: Edge,
  ids: ReadonlyMap<GraphParent, number>,
): XDbgBlockGraphEdge {
  return Object.freeze({
    parent: ids.get(parent) as number,
    child: ids.get(child) as number,
    name,
    perm: Object.freeze(permissionNames(permissions)),
    'shared-perm': Object.freeze(permissionNames(shared)),
  });
}
