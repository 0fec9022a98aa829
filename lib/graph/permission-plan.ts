// What every edge is to hold after a change of the graph, computed on the graph as it will be,
// parents before children, and checked. Nothing is applied here.

import { Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { Edge } from './edge.js';
import { BlockNode } from './node.js';
import { cumulative, findConflict, type Grant, permissionNames } from './permissions.js';
import { topologicalOrder } from './topology.js';

const WRITING = Permission.write | Permission.writeUnchanged;

/** What an edge is to hold. */
export interface PlannedGrant extends Grant {
  readonly edge: Edge;
}

export interface PermissionPlan {
  /** Every edge below what was touched, with what it is to hold; changed or not. */
  readonly edges: readonly PlannedGrant[];
  /** Nodes with what all their users need and share together. */
  readonly nodes: ReadonlyMap<BlockNode, Grant>;
}

/**
 * Plans for the touched nodes and all below them.
 *
 * @param check false for a change that only gives things up, which is never refused (PERM-9).
 * @throws BlockError EPERM
 */
export function planPermissions(touched: Iterable<BlockNode>, check: boolean): PermissionPlan {
  const planned = new Map<Edge, PlannedGrant>();
  const nodes = new Map<BlockNode, Grant>();
  for (const node of topologicalOrder(touched)) {
    const edges = node.parents.map((edge) => {
      const grant = planned.get(edge) ?? { edge, ...currentGrant(edge) };
      planned.set(edge, grant);
      return grant;
    });
    const needs = cumulative(edges);
    if (check) {
      checkNeeds(node, needs);
      checkConflicts(node, edges);
    }
    nodes.set(node, needs);
    for (const child of node.children) {
      planned.set(child.edge, { edge: child.edge, ...node.childGrant(child, needs) });
    }
  }
  return { edges: [...planned.values()], nodes };
}

/** Of an edge from above the plan. A node there keeps what it has. */
function currentGrant(edge: Edge): Grant {
  if (!(edge.parent instanceof BlockNode)) return edge.parent.wantedGrant(edge);
  return { permissions: edge.permissions, shared: edge.shared };
}

function refused(node: BlockNode, text: string): BlockError {
  return new BlockError(Errno.EPERM, { operation: 'set permissions', node: node.name, text });
}

/** Writers need a writable node, and one that they can fill to its end (PERM-7, PERM-8). */
function checkNeeds(node: BlockNode, { permissions }: Grant): void {
  if ((permissions & WRITING) === 0) return;
  if (node.readOnly) throw refused(node, 'it is read-only, and a user needs to write');
  if (node.inactive) throw refused(node, 'it is inactive, and a user needs to write');
  if ((permissions & Permission.resize) !== 0) return;
  const { length, requestAlignment } = node.size();
  if (length % requestAlignment === 0) return;
  const text =
    `its length, ${length}, is no multiple of its request alignment, ${requestAlignment}, ` +
    `so writers must be able to resize it`;
  throw refused(node, text);
}

function checkConflicts(node: BlockNode, edges: readonly PlannedGrant[]): void {
  const conflict = findConflict(edges);
  if (conflict === undefined) return;
  const bits = permissionNames(conflict.bits).map((name) => `"${name.replace('-', ' ')}"`);
  const needs = conflict.needs.edge;
  const refuses = conflict.refuses.edge;
  const text =
    `${needs.parent.describe()} needs ${bits.join(', ')} as '${needs.name}', which ` +
    `${refuses.parent.describe()}, using it as '${refuses.name}', does not share`;
  throw refused(node, text);
}
