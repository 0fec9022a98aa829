// Permissions after a change of the graph, as a transaction: first everything is computed and
// checked, parents before children, and only then anything is applied.

import { Permission } from '../aio/protocol.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { Edge } from './edge.js';
import type { BlockNode } from './node.js';
import { cumulative, findConflict, type Grant, permissionNames } from './permissions.js';

const WRITING = Permission.write | Permission.writeUnchanged;

/** What an edge is to hold. */
interface PlannedGrant extends Grant {
  readonly edge: Edge;
}

type Plan = Map<Edge, PlannedGrant>;

/** `start` and all nodes below it, each before its children. */
function topologicalOrder(start: BlockNode): BlockNode[] {
  const order: BlockNode[] = [];
  const seen = new Set<BlockNode>();
  const visit = (node: BlockNode): void => {
    if (seen.has(node)) return;
    seen.add(node);
    for (const { edge } of node.children) visit(edge.child);
    order.push(node);
  };
  visit(start);
  return order.reverse();
}

function planned(plan: Plan, edge: Edge): PlannedGrant {
  return plan.get(edge) ?? { edge, permissions: edge.permissions, shared: edge.shared };
}

function refused(node: BlockNode, text: string): BlockError {
  return new BlockError(Errno.EPERM, { operation: 'set permissions', node: node.name, text });
}

/** Writers need a writable node, and one that they can fill to its end (PERM-7, PERM-8). */
function checkNeeds(node: BlockNode, { permissions }: Grant): void {
  if ((permissions & WRITING) === 0) return;
  if (node.readOnly) throw refused(node, 'it is read-only, and a user needs to write');
  if ((permissions & Permission.resize) !== 0) return;
  const { length, requestAlignment } = node.info();
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

type Check = (node: BlockNode, edges: readonly PlannedGrant[], needs: Grant) => void;

function planBelow(start: BlockNode, plan: Plan, check: Check): void {
  for (const node of topologicalOrder(start)) {
    const edges = node.parents.map((edge) => planned(plan, edge));
    const needs = cumulative(edges);
    check(node, edges, needs);
    for (const child of node.children) {
      plan.set(child.edge, { edge: child.edge, ...node.childGrant(child, needs) });
    }
  }
}

function changed(plan: Plan): PlannedGrant[] {
  return [...plan.values()].filter(
    ({ edge, permissions, shared }) => edge.permissions !== permissions || edge.shared !== shared,
  );
}

/** Applies all of it or, when native/ refuses a part, nothing. */
function apply(grants: readonly PlannedGrant[]): void {
  const done: PlannedGrant[] = [];
  for (const grant of grants) {
    const { edge, permissions, shared } = grant;
    const before = { edge, permissions: edge.permissions, shared: edge.shared };
    const errno = edge.parent.applyGrant(edge, grant);
    if (errno < 0) {
      for (const old of done.reverse()) {
        old.edge.parent.applyGrant(old.edge, old);
        old.edge.set(old);
      }
      throw new BlockError(errno, { operation: 'set permissions', node: edge.child.name });
    }
    edge.set({ permissions, shared });
    done.push(before);
  }
}

/**
 * Gives a new edge, and those below it, what they need.
 *
 * @throws BlockError EPERM; then nothing has changed.
 */
export function grantEdge(edge: Edge, grant: Grant): void {
  const wanted = { edge, permissions: grant.permissions, shared: grant.shared };
  const plan: Plan = new Map([[edge, wanted]]);
  planBelow(edge.child, plan, (node, edges, needs) => {
    checkNeeds(node, needs);
    checkConflicts(node, edges);
  });
  // The edge itself is applied in any case: that is what makes it known natively.
  apply([wanted, ...changed(plan).filter((change) => change.edge !== edge)]);
}

/** After an edge into `node` went: the rest needs less, which is never refused (PERM-9). */
export function loosenBelow(node: BlockNode): void {
  const plan: Plan = new Map();
  planBelow(node, plan, () => {});
  for (const grant of changed(plan)) {
    grant.edge.parent.applyGrant(grant.edge, grant);
    grant.edge.set(grant);
  }
}
