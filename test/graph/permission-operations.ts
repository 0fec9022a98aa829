// Changes of a graph as plain data, what the graph is afterwards, and whether the rules allow it.
import {
  evaluate,
  findNode,
  type OracleGraph,
  type OracleNode,
  type OracleUser,
} from './permission-oracle.js';

/** Nodes stay open without users: they belong to whoever opened them. */
export type Operation =
  | { readonly type: 'open'; readonly node: OracleNode }
  /** Of a node that nobody uses. */
  | { readonly type: 'close'; readonly node: string }
  | { readonly type: 'attach'; readonly user: OracleUser }
  | {
      readonly type: 'set-permissions';
      readonly user: string;
      readonly permissions: number;
      readonly shared: number;
    }
  | { readonly type: 'detach'; readonly user: string }
  /** A new filter over `above`, to which all other parents of that node move (GRAPH-19). */
  | { readonly type: 'insert'; readonly node: OracleNode; readonly above: string }
  /** All parents of `from` move to `to`, except those that `to` stands on (GRAPH-21). */
  | { readonly type: 'replace'; readonly from: string; readonly to: string }
  | { readonly type: 'set-read-only'; readonly node: string; readonly readOnly: boolean };

export type OperationType = Operation['type'];

/**
 * refused: it fails and changes nothing. swallowed: it only gives things up, so it succeeds
 * (PERM-9), although a rule is broken then; what the edges hold is left open.
 */
export type Outcome = 'ok' | 'refused' | 'swallowed';

export interface Expectation {
  readonly outcome: Outcome;
  readonly after: OracleGraph;
  readonly reason?: string;
}

/** `name` and all nodes below it. */
export function subtree(graph: OracleGraph, name: string): Set<string> {
  const found = new Set([name]);
  for (const node of found) {
    for (const child of findNode(graph, node).children) found.add(child.node);
  }
  return found;
}

export function isUsed({ nodes, users }: OracleGraph, name: string): boolean {
  return (
    users.some(({ node }) => node === name) ||
    nodes.some(({ children }) => children.some(({ node }) => node === name))
  );
}

/** Leads edges from `from` to `to`, those of the parents in `except` excluded. */
function redirect(
  graph: OracleGraph,
  from: string,
  to: string,
  except: ReadonlySet<string>,
): OracleGraph {
  const led = <T extends { readonly node: string }>(link: T): T =>
    link.node === from ? { ...link, node: to } : link;
  return {
    nodes: graph.nodes.map((node) =>
      except.has(node.name) ? node : { ...node, children: node.children.map(led) },
    ),
    users: graph.users.map(led),
  };
}

function withUser(
  graph: OracleGraph,
  name: string,
  change: (user: OracleUser) => readonly OracleUser[],
): OracleGraph {
  const users = graph.users.flatMap((user) => (user.name === name ? change(user) : [user]));
  return { ...graph, users };
}

/** The graph after the operation, whether it is allowed or not. */
export function resultOf(graph: OracleGraph, operation: Operation): OracleGraph {
  const { nodes, users } = graph;
  switch (operation.type) {
    case 'open':
      return { nodes: [...nodes, operation.node], users };
    case 'close':
      return { nodes: nodes.filter(({ name }) => name !== operation.node), users };
    case 'attach':
      return { nodes, users: [...users, operation.user] };
    case 'set-permissions': {
      const { permissions, shared } = operation;
      return withUser(graph, operation.user, (user) => [{ ...user, permissions, shared }]);
    }
    case 'detach':
      return withUser(graph, operation.user, () => []);
    case 'insert': {
      const moved = redirect(graph, operation.above, operation.node.name, new Set());
      return { nodes: [...moved.nodes, operation.node], users: moved.users };
    }
    case 'replace': {
      const { from, to } = operation;
      return redirect(graph, from, to, subtree(graph, to));
    }
    case 'set-read-only':
      return {
        nodes: nodes.map((node) =>
          node.name === operation.node ? { ...node, readOnly: operation.readOnly } : node,
        ),
        users,
      };
  }
}

/** PERM-9: no new permission, and nothing newly unshared. */
function onlyGivesUp(graph: OracleGraph, operation: Operation): boolean {
  if (operation.type === 'detach' || operation.type === 'close') return true;
  if (operation.type !== 'set-permissions') return false;
  const user = graph.users.find(({ name }) => name === operation.user);
  if (user === undefined) throw new Error(`the graph has no user ${operation.user}`);
  const { permissions, shared } = operation;
  return (permissions & ~user.permissions) === 0 && (user.shared & ~shared) === 0;
}

/** What must come of an operation on a graph that keeps to the rules. */
export function expectationOf(graph: OracleGraph, operation: Operation): Expectation {
  const after = resultOf(graph, operation);
  const { consistent, reason = '' } = evaluate(after);
  if (consistent) return { outcome: 'ok', after };
  if (onlyGivesUp(graph, operation)) return { outcome: 'swallowed', after, reason };
  return { outcome: 'refused', after, reason };
}

/** What leads back from an operation that gave things up. */
export function inverseOf(graph: OracleGraph, operation: Operation): Operation {
  if (operation.type !== 'detach' && operation.type !== 'set-permissions') {
    throw new Error(`${operation.type} gives nothing up`);
  }
  const user = graph.users.find(({ name }) => name === operation.user);
  if (user === undefined) throw new Error(`the graph has no user ${operation.user}`);
  if (operation.type === 'detach') return { type: 'attach', user };
  const { permissions, shared } = user;
  return { type: 'set-permissions', user: user.name, permissions, shared };
}
