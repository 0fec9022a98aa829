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
  const drawing = new Drawing();
  for (const root of graph().roots) {
    drawing.add(root, root.edge === undefined ? [] : [root.edge]);
  }
  for (const [job, edges] of jobsOf(nodes)) drawing.add(job, edges);
  for (const node of nodes)
    drawing.add(
      node,
      node.children.map(({ edge }) => edge),
    );
  return drawing.result();
}

/** Numbers in the order in which parents and children are first met, as QEMU gives them. */
class Drawing {
  readonly #ids = new Map<GraphParent, number>();
  readonly #nodes: XDbgBlockGraphNode[] = [];
  readonly #edges: XDbgBlockGraphEdge[] = [];

  add(parent: GraphParent, edges: readonly Edge[]): void {
    const node = { id: this.#id(parent), type: parent.kind, name: nameOf(parent) };
    this.#nodes.push(Object.freeze(node));
    for (const edge of edges) this.#edges.push(this.#edgeInfo(edge));
  }

  result(): XDbgBlockGraph {
    return Object.freeze({
      nodes: Object.freeze(this.#nodes.toReversed()),
      edges: Object.freeze(this.#edges.toReversed()),
    });
  }

  #id(parent: GraphParent): number {
    const id = this.#ids.get(parent) ?? this.#ids.size + 1;
    this.#ids.set(parent, id);
    return id;
  }

  #edgeInfo({ parent, child, name, permissions, shared }: Edge): XDbgBlockGraphEdge {
    return Object.freeze({
      parent: this.#id(parent),
      child: this.#id(child),
      name,
      perm: namesOf(permissions),
      'shared-perm': namesOf(shared),
    });
  }
}

/** In the order in which QEMU lists them. */
function namesOf(bits: number): readonly PermissionName[] {
  return Object.freeze(permissionNames(bits).reverse());
}

/** Nobody but their edges knows them. */
function jobsOf(nodes: readonly BlockNode[]): Map<GraphParent, Edge[]> {
  const jobs = new Map<GraphParent, Edge[]>();
  for (const edge of nodes.flatMap((node) => node.parents)) {
    const { parent } = edge;
    if (parent instanceof BlockNode || parent instanceof GraphRoot) continue;
    jobs.set(parent, [...(jobs.get(parent) ?? []), edge]);
  }
  return jobs;
}

function nameOf(parent: GraphParent & { readonly name?: string }): string {
  if (parent instanceof GraphRoot) return parent.deviceName || parent.attachedId;
  return parent.name ?? parent.describe();
}
