// One change of the graph: all of it or nothing. It is made in one synchronous turn, on nodes that
// are quiet:
//
//   edit lib/'s graph (each edit notes how to undo it)
//     -> plan the permissions of the resulting graph, parents first, and check them
//     -> drivers check: file locks of every node whose sum changed     \  any failure: undo all
//     -> mirror the edges natively                                     /
//     -> drivers set, or give back
//
// Dumps before and after a refused change are the same.

import { isFailure } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { failureError } from '../errors/native-failure.js';
import type { ChildDefinition } from './driver-definition.js';
import { Edge, type GraphParent } from './edge.js';
import { BlockNode } from './node.js';
import type { NodeState } from './node-state.js';
import { type PermissionPlan, type PlannedGrant, planPermissions } from './permission-plan.js';
import { type Grant, NO_GRANT } from './permissions.js';
import type { GraphRoot } from './root.js';
import { reaches } from './topology.js';

const OPERATION = 'change the graph';

/** How a node was before its driver checked new permissions. */
interface Checked {
  readonly node: BlockNode;
  readonly before: Grant;
}

export class GraphTransaction {
  readonly #undo: (() => void)[] = [];
  readonly #touched = new Set<BlockNode>();
  /** Edges that lead elsewhere now, or are new. */
  readonly #led = new Set<Edge>();
  readonly #removed: Edge[] = [];
  readonly #states = new Set<BlockNode>();
  #planned: readonly BlockNode[] = [];
  #tightens = false;
  #ended = false;

  /** Nodes whose children have changed: their limits may have, too. */
  get changedParents(): BlockNode[] {
    const parents = [...this.#led, ...this.#removed].map(({ parent }) => parent);
    return [...new Set(parents.filter((parent) => parent instanceof BlockNode))];
  }

  /** A backend's or a job's edge. */
  attachUser(edge: Edge): void {
    const { child } = edge;
    this.#edit(
      () => child.parents.unshift(edge),
      () => remove(child.parents, edge),
    );
    this.#led.add(edge);
    this.#tighten(child);
  }

  /** @throws BlockError EINVAL for a cycle (GRAPH-17). */
  attachChild(parent: BlockNode, definition: ChildDefinition, child: BlockNode): Edge {
    checkCycle(parent, definition.name, child);
    const role = definition.role(parent.options);
    const edge = new Edge(parent, definition.name, child, role, parent.nextKey);
    // native/ may know the edge by this key already: a trial must not use it up.
    this.#edit(
      () => {
        parent.nextKey += 1;
      },
      () => {
        parent.nextKey -= 1;
      },
    );
    const entry = { definition, edge };
    this.#edit(
      () => parent.children.unshift(entry),
      () => remove(parent.children, entry),
    );
    this.#edit(
      () => child.parents.unshift(edge),
      () => remove(child.parents, edge),
    );
    this.#edit(
      () => child.becameChild(edge),
      () => child.ceasedChild(edge),
    );
    this.#led.add(edge);
    this.#tighten(parent);
    this.#tighten(child);
    return edge;
  }

  /** Never refused for permissions (PERM-9). @throws BlockError EPERM for a frozen link. */
  detach(edge: Edge): void {
    checkFrozen(edge);
    const { parent, child } = edge;
    if (parent instanceof BlockNode) {
      const entry = parent.children.find((candidate) => candidate.edge === edge);
      if (entry !== undefined) this.#cut(parent.children, entry);
      this.#edit(
        () => child.ceasedChild(edge),
        () => child.becameChild(edge),
      );
      this.#touched.add(parent);
    }
    this.#cut(child.parents, edge);
    this.#led.delete(edge);
    this.#removed.push(edge);
    this.#touched.add(child);
  }

  /** An edge whose parent is closed already, natively too. */
  detachClosed(edge: Edge): void {
    const { child } = edge;
    this.#cut(child.parents, edge);
    this.#edit(
      () => child.ceasedChild(edge),
      () => child.becameChild(edge),
    );
    this.#touched.add(child);
  }

  /** @throws BlockError EPERM for a frozen link, EINVAL for a cycle. */
  lead(edge: Edge, to: BlockNode): void {
    const { parent, child: from } = edge;
    if (from === to) return;
    checkFrozen(edge);
    checkCycle(parent, edge.name, to);
    this.#cut(from.parents, edge);
    this.#edit(
      () => from.ceasedChild(edge),
      () => from.becameChild(edge),
    );
    this.#edit(
      () => {
        edge.child = to;
      },
      () => {
        edge.child = from;
      },
    );
    this.#edit(
      () => to.parents.unshift(edge),
      () => remove(to.parents, edge),
    );
    this.#edit(
      () => to.becameChild(edge),
      () => to.ceasedChild(edge),
    );
    this.#led.add(edge);
    if (parent instanceof BlockNode) this.#touched.add(parent);
    this.#touched.add(from);
    this.#tighten(to);
  }

  /** What a backend wants, or whether it wants anything at all, is different now. */
  wants(root: GraphRoot, change: () => void, undo: () => void, tightens: boolean): void {
    this.#edit(change, undo);
    if (root.node === undefined) return;
    this.#touched.add(root.node);
    this.#tightens ||= tightens;
  }

  /** Permissions that an edge has for the time of an operation. */
  setExtra(edge: Edge, extra: number): void {
    const before = edge.extra;
    this.#edit(
      () => {
        edge.extra = extra;
      },
      () => {
        edge.extra = before;
      },
    );
    if (edge.parent instanceof BlockNode) this.#touched.add(edge.parent);
    this.#touched.add(edge.child);
    this.#tightens ||= (extra & ~before) !== 0;
  }

  setRole(edge: Edge, role: number): void {
    const before = edge.role;
    if (before === role) return;
    this.#edit(
      () => {
        edge.role = role;
      },
      () => {
        edge.role = before;
      },
    );
    if (edge.parent instanceof BlockNode) this.#tighten(edge.parent);
  }

  /** Users of the node have given something up; nobody needs more. */
  loosen(node: BlockNode): void {
    this.#touched.add(node);
  }

  setState(node: BlockNode, state: Partial<NodeState>, { tightens = true } = {}): void {
    const before = node.state;
    this.#edit(
      () => node.setState({ ...before, ...state }),
      () => node.setState(before),
    );
    this.#states.add(node);
    this.#touched.add(node);
    this.#tightens ||= tightens;
  }

  /** Any other edit of lib/'s own data. */
  edit(change: () => void, undo: () => void): void {
    this.#edit(change, undo);
  }

  /** After a commit: nodes whose users may need more or less than before. */
  get plannedNodes(): Iterable<BlockNode> {
    return this.#planned;
  }

  /** What would be granted; nothing is applied. @throws BlockError EPERM */
  plan(): PermissionPlan {
    return planPermissions(this.#touched, this.#tightens);
  }

  /**
   * @param beforeLocks when permissions are known to fit, before drivers check them.
   * @throws BlockError; then everything is as it was before the first edit.
   */
  commit(beforeLocks: () => void = () => {}): void {
    try {
      const plan = this.plan();
      beforeLocks();
      this.#apply(plan);
      this.#ended = true;
    } catch (error) {
      this.abort();
      throw error;
    }
    for (const node of this.#states) node.mirrorState();
    for (const node of this.#touched) node.graphChanged();
  }

  /** Undoes every edit. Does nothing after a commit. */
  abort(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const undo of this.#undo.reverse()) undo();
  }

  #apply(plan: PermissionPlan): void {
    this.#planned = [...plan.nodes.keys()];
    const checked = this.#check(plan);
    const before = plan.edges.map(({ edge: { permissions, shared } }) => ({ permissions, shared }));
    const settle = (commit: boolean): void => {
      for (const { node } of checked) node.settlePermissions(commit);
    };
    const error = this.#mirror(plan.edges);
    if (error === undefined) {
      settle(true);
      return;
    }
    // native/ has seen a part: back to what it was, edges that are undone included.
    this.abort();
    for (const [index, { edge }] of plan.edges.entries()) edge.set(before[index] as Grant);
    for (const { edge } of plan.edges) this.#mirrorBack(edge);
    for (const edge of this.#removed) edge.parent.mirror(edge);
    for (const { node, before: granted } of checked) node.granted = granted;
    settle(false);
    throw error;
  }

  /** An edge that this transaction made is gone again. */
  #mirrorBack(edge: Edge): void {
    if (edge.child.parents.includes(edge)) edge.parent.mirror(edge);
    else edge.parent.mirrorRemoved(edge);
  }

  /** @throws BlockError with nothing acquired. */
  #check(plan: PermissionPlan): Checked[] {
    const checked: Checked[] = [];
    for (const [node, needs] of plan.nodes) {
      const before = node.granted;
      // Another process may hold what users of an inactive node need (LOCK-14).
      const grant = node.inactive ? NO_GRANT : needs;
      if (before.permissions === grant.permissions && before.shared === grant.shared) continue;
      const result = node.checkPermissions(grant);
      if (result === 0 || !this.#tightens) {
        checked.push({ node, before });
        node.granted = grant;
        continue;
      }
      for (const { node: done, before: granted } of checked) {
        done.granted = granted;
        done.settlePermissions(false);
      }
      const details = { operation: 'set permissions', node: node.name };
      throw isFailure(result) ? failureError(result, details) : new BlockError(result, details);
    }
    return checked;
  }

  /** Tells native/; an error stops it in the middle. */
  #mirror(grants: readonly PlannedGrant[]): BlockError | undefined {
    // First: a backing file must be free of its old overlay before it gets a new one.
    for (const edge of this.#removed) {
      const errno = edge.parent.mirrorRemoved(edge);
      if (errno < 0) return new BlockError(errno, { operation: OPERATION, node: edge.child.name });
    }
    for (const { edge, permissions, shared } of grants) {
      const same = edge.permissions === permissions && edge.shared === shared;
      if (same && !this.#led.has(edge)) continue;
      edge.set({ permissions, shared });
      const errno = edge.parent.mirror(edge);
      if (errno < 0) return new BlockError(errno, { operation: OPERATION, node: edge.child.name });
    }
    return undefined;
  }

  #tighten(node: BlockNode): void {
    this.#touched.add(node);
    this.#tightens = true;
  }

  #edit(change: () => void, undo: () => void): void {
    change();
    this.#undo.push(undo);
  }

  /** Takes an item out of a list; undone, it stands where it stood. */
  #cut<T>(list: T[], item: T): void {
    const index = list.indexOf(item);
    this.#edit(
      () => list.splice(index, 1),
      () => list.splice(index, 0, item),
    );
  }
}

function remove<T>(list: T[], item: T): void {
  list.splice(list.indexOf(item), 1);
}

function checkFrozen(edge: Edge): void {
  if (edge.frozen === 0) return;
  const text = `the link '${edge.name}' from ${edge.parent.describe()} to '${edge.child.name}' is frozen`;
  throw new BlockError(Errno.EPERM, { operation: OPERATION, node: edge.child.name, text });
}

function checkCycle(parent: GraphParent, name: string, child: BlockNode): void {
  if (!reaches(child, parent)) return;
  const text = `making '${child.name}' the '${name}' child of ${parent.describe()} makes a cycle`;
  throw new BlockError(Errno.EINVAL, { operation: OPERATION, node: child.name, text });
}
