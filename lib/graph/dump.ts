// The whole graph as plain data (QEMU: x-debug-query-block-graph): for people who look for a
// mistake, and for tests, where two equal dumps mean that nothing has changed.

import { ChildRole } from '../aio/protocol.js';
import type { OptionValue } from './driver-definition.js';
import type { Edge, GraphParent } from './edge.js';
import { graph } from './graph.js';
import { BlockNode } from './node.js';
import { type PermissionName, permissionNames } from './permissions.js';
import { GraphRoot } from './root.js';
import { rootId } from './root-id.js';

/** What a child is to its parent (QEMU: BdrvChildRole). */
export type ChildRoleName = keyof typeof ChildRole;

/** A node in a dump. */
export interface GraphDumpNode {
  /** Unique in its environment, and never used again. */
  id: number;
  name: string;
  driver: string;
  context: string;
  'read-only': boolean;
  /** Another process may be writing. Absent: it is active. */
  inactive?: true;
  quiesceCount: number;
  /** The driver's own, defaults included. */
  options: Record<string, OptionValue>;
  /** Who keeps it open beside its parents: 'monitor' and others. */
  owners?: string[];
}

/** A backend in a dump. */
export interface GraphDumpBackend {
  /** Unique among backends, and never used again. */
  id: number;
  /** '' without a name. */
  name: string;
  context: string;
  /** Name of the root node; absent without a medium. */
  node?: string;
  /** What it asked for; what it holds is at its edge. */
  permissions: PermissionName[];
  shared: PermissionName[];
  quiesceCount: number;
}

/** The upper end of an edge. */
export interface GraphDumpParent {
  type: 'node' | 'block-backend' | 'job' | 'other';
  /** As among the nodes or the backends of the dump. */
  id?: number;
  /** '' for a backend without a name. */
  name: string;
}

/** A link from a parent to a node in a dump. */
export interface GraphDumpEdge {
  parent: GraphDumpParent;
  /** 'root', 'file', 'backing' ... */
  name: string;
  role: ChildRoleName[];
  /** Name of the node that it leads to. */
  child: string;
  permissions: PermissionName[];
  shared: PermissionName[];
  /** It cannot be changed now. Absent: it can. */
  frozen?: true;
}

/** Nodes are sorted by name; backends by name and id; edges by parent, name and child. */
export interface GraphDump {
  nodes: GraphDumpNode[];
  backends: GraphDumpBackend[];
  edges: GraphDumpEdge[];
}

/** What nodes, edges and parents need not have. */
interface NodeExtras {
  readonly inactive?: boolean;
  readonly monitorOwned?: boolean;
}
interface EdgeExtras {
  /** How many froze it. */
  readonly frozen?: number;
}
interface ParentExtras {
  readonly kind?: string;
  readonly name?: string;
}

/** By code units: the same on every machine, whatever its language. */
function byKey<T>(...keys: readonly ((item: T) => string | number)[]): (a: T, b: T) => number {
  return (a, b) => {
    for (const key of keys) {
      const [left, right] = [key(a), key(b)];
      if (left !== right) return left < right ? -1 : 1;
    }
    return 0;
  };
}

function dumpNode(node: BlockNode & NodeExtras): GraphDumpNode {
  const { id, name, driver, context, readOnly, options, inactive, monitorOwned } = node;
  return {
    id,
    name,
    driver: driver.name,
    context: context.name,
    'read-only': readOnly,
    ...(inactive === true ? { inactive } : {}),
    // It may be closing: a dump shows what there is, at any time.
    quiesceCount: node.isClosed ? 0 : node.info().quiesce,
    options: { ...options },
    ...(monitorOwned === true ? { owners: ['monitor'] } : {}),
  };
}

function dumpBackend(root: GraphRoot): GraphDumpBackend {
  const { deviceName, context, node, wanted } = root;
  return {
    id: rootId(root),
    name: deviceName,
    context: context.name,
    ...(node === undefined ? {} : { node: node.name }),
    permissions: permissionNames(wanted.permissions),
    shared: permissionNames(wanted.shared),
    quiesceCount: root.handle === 0 ? 0 : root.info().quiesce,
  };
}

function dumpParent(parent: GraphParent & ParentExtras): GraphDumpParent {
  if (parent instanceof BlockNode) return { type: 'node', id: parent.id, name: parent.name };
  if (parent instanceof GraphRoot) {
    return { type: 'block-backend', id: rootId(parent), name: parent.deviceName };
  }
  const type = parent.kind === 'block-job' ? 'job' : 'other';
  return { type, name: parent.name ?? parent.describe() };
}

function roleNames(role: number): ChildRoleName[] {
  const names = Object.keys(ChildRole) as ChildRoleName[];
  return names.filter((name) => (role & ChildRole[name]) !== 0);
}

function dumpEdge(edge: Edge & EdgeExtras): GraphDumpEdge {
  const { parent, name, role, child, permissions, shared, frozen } = edge;
  return {
    parent: dumpParent(parent),
    name,
    role: roleNames(role),
    child: child.name,
    permissions: permissionNames(permissions),
    shared: permissionNames(shared),
    ...(frozen !== undefined && frozen > 0 ? { frozen: true } : {}),
  };
}

/**
 * All nodes, backends and edges of this environment: plain data of the caller's own, in a fixed
 * order, equal to another dump exactly when nothing that it shows has changed in between.
 */
export function graphDump(): GraphDump {
  const { nodes, roots } = graph();
  // First: they number the backends in order of creation, whichever edge is met first.
  const backends = [...roots].map(dumpBackend);
  // An edge is listed by its child, since a parent may be something that the graph does not list.
  const edges = [...nodes].flatMap(({ parents }) => parents.map(dumpEdge));
  return {
    nodes: [...nodes].map(dumpNode).sort(byKey(({ name }) => name)),
    backends: backends.sort(
      byKey(
        ({ name }) => name,
        ({ id }) => id,
      ),
    ),
    edges: edges.sort(
      byKey(
        ({ parent }) => parent.name,
        ({ parent }) => parent.type,
        ({ parent }) => parent.id ?? 0,
        ({ name }) => name,
        ({ child }) => child,
      ),
    ),
  };
}
