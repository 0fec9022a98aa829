// What the permissions of a graph must be, computed from the catalogue's text by going round until
// nothing changes any more. It shares no code with the product, not even the numbers: where both
// are wrong in the same way, at least they were written twice.

/** Permission bits. */
export const Perm = { CR: 1, W: 2, WU: 4, RZ: 8, ALL: 15 } as const;
/** Role bits. */
export const Role = { data: 1, metadata: 2, filtered: 4, cow: 8, primary: 16 } as const;

const { CR, W, WU, RZ, ALL } = Perm;

export interface Pair {
  /** What is held. */
  readonly perm: number;
  /** What others may hold meanwhile. */
  readonly shared: number;
}

export interface OracleChild {
  readonly name: string;
  readonly node: string;
  /** Role bits. */
  readonly role: number;
  /** Bits beyond what the role asks for. */
  readonly take?: number;
  /** Bits that are not shared although the role would. */
  readonly unshare?: number;
}

/**
 * protocol: no children. raw: one filtered child. raw-window: raw with an offset or a size. probe:
 * any children; every role asks for its usual permissions.
 */
export type OracleKind = 'protocol' | 'raw' | 'raw-window' | 'probe';

export interface OracleNode {
  readonly name: string;
  readonly kind: OracleKind;
  readonly readOnly?: boolean;
  readonly inactive?: boolean;
  readonly forceShare?: boolean;
  /** Opened without reading metadata. */
  readonly noIo?: boolean;
  /** Its length is a multiple of its request alignment. Absent: as its primary child, else true. */
  readonly aligned?: boolean;
  readonly children: readonly OracleChild[];
}

/** A backend, or a job's link to one of its nodes. */
export interface OracleUser {
  readonly name: string;
  readonly node: string;
  /** Default 'root'. */
  readonly edge?: string;
  readonly permissions: number;
  readonly shared: number;
  /** The pair is only remembered: the edge holds nothing and shares all. */
  readonly disabled?: boolean;
}

export interface OracleGraph {
  readonly nodes: readonly OracleNode[];
  readonly users: readonly OracleUser[];
}

export interface Violation {
  readonly rule: 'PERM-4' | 'PERM-7' | 'PERM-8' | 'PERM-15';
  readonly node: string;
  readonly text: string;
}

export interface Evaluation {
  readonly consistent: boolean;
  /** By edgeKey(). */
  readonly edges: ReadonlyMap<string, Pair>;
  /** The first violation in words. */
  readonly reason?: string;
  readonly violations: readonly Violation[];
}

interface Link {
  readonly key: string;
  readonly to: string;
  /** Absent: a user. */
  readonly from?: OracleNode;
  readonly child?: OracleChild;
  pair: Pair;
}

const NOTHING: Pair = { perm: 0, shared: ALL };

export function edgeKey(parent: string, edge: string): string {
  return `${parent}/${edge}`;
}

const NAMES: readonly (readonly [string, number])[] = [
  ['consistent-read', CR],
  ['write', W],
  ['write-unchanged', WU],
  ['resize', RZ],
];

export function namesOfBits(bits: number): string[] {
  return NAMES.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
}

export function bitsOfNames(names: readonly string[]): number {
  return NAMES.reduce((bits, [name, bit]) => (names.includes(name) ? bits | bit : bits), 0);
}

export function findNode(graph: OracleGraph, name: string): OracleNode {
  const node = graph.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`the graph has no node ${name}`);
  return node;
}

/** Whether the node's length is a multiple of its request alignment. */
export function isAligned(graph: OracleGraph, node: OracleNode): boolean {
  return !(hasOddLength(graph, node) && isCoarse(graph, node));
}

/** A length that the largest request alignment does not divide comes from the primary child. */
function hasOddLength(graph: OracleGraph, node: OracleNode): boolean {
  if (node.aligned !== undefined) return !node.aligned;
  const primary = node.children.find(({ role }) => (role & Role.primary) !== 0);
  return primary !== undefined && hasOddLength(graph, findNode(graph, primary.node));
}

/** A request alignment that is more than one sector comes from every child but pure metadata. */
function isCoarse(graph: OracleGraph, node: OracleNode): boolean {
  if (node.aligned === false) return true;
  const limiting = Role.data | Role.filtered | Role.cow;
  return node.children.some(
    ({ role, node: child }) => (role & limiting) !== 0 && isCoarse(graph, findNode(graph, child)),
  );
}

// --- what a parent asks of a child, from the cumulative pair of the parent itself

/** PERM-10 */
function askFilter(above: Pair): Pair {
  return { perm: above.perm & (CR | W | WU | RZ), shared: above.shared & (CR | W | WU | RZ) };
}

/** PERM-11, PERM-14 */
function askBacking(above: Pair, inactive: boolean): Pair {
  let shared = CR | WU;
  if ((above.shared & W) === W) shared |= W | RZ;
  if (inactive) shared |= W | RZ;
  return { perm: above.perm & CR, shared };
}

/** PERM-12 to PERM-14 */
function askStorage(node: OracleNode, role: number, above: Pair): Pair {
  const inactive = node.inactive === true;
  let { perm, shared } = askFilter(above);
  if ((role & Role.metadata) !== 0) {
    if (node.readOnly !== true && !inactive) perm |= W | RZ;
    if (node.noIo !== true) perm |= CR;
    shared &= ~(W | RZ);
  } else {
    shared &= ~RZ;
    if ((perm & WU) !== 0) perm |= W;
    if ((perm & W) !== 0) perm |= RZ;
  }
  if (inactive) shared |= W | RZ;
  return { perm, shared };
}

/** The row of PERM-16 about a window: neither W nor RZ unless somebody above needs it. */
function askWindow(node: OracleNode, role: number, above: Pair): Pair {
  const { perm, shared } = askStorage(node, role, above);
  return { perm: (perm & ~(W | RZ)) | (above.perm & (W | RZ)), shared };
}

function askByRole(node: OracleNode, role: number, above: Pair): Pair {
  const kind = role & (Role.data | Role.metadata | Role.filtered | Role.cow);
  if (kind === Role.filtered) return askFilter(above);
  if (kind === Role.cow) return askBacking(above, node.inactive === true);
  if (kind === 0 || (kind & (Role.filtered | Role.cow)) !== 0) {
    throw new Error(`${node.name} has a child with the role ${role}`);
  }
  return node.kind === 'raw-window' ? askWindow(node, role, above) : askStorage(node, role, above);
}

function ask(
  graph: OracleGraph,
  node: OracleNode,
  child: OracleChild,
  into: readonly Link[],
): Pair {
  // PERM-17
  if (into.length === 0) return NOTHING;
  // PERM-6
  const above = into.reduce<Pair>(
    (sum, { pair }) => ({ perm: sum.perm | pair.perm, shared: sum.shared & pair.shared }),
    NOTHING,
  );
  const usual = askByRole(node, child.role, above);
  const perm = usual.perm | (child.take ?? 0);
  // PERM-15
  if (findNode(graph, child.node).forceShare === true) return { perm, shared: ALL };
  return { perm, shared: usual.shared & ~(child.unshare ?? 0) };
}

// --- the fixpoint

function linksOf({ nodes, users }: OracleGraph): Link[] {
  const links: Link[] = users.map(
    ({ name, node, edge = 'root', permissions, shared, disabled }) => ({
      key: edgeKey(name, edge),
      to: node,
      pair: disabled === true ? NOTHING : { perm: permissions, shared },
    }),
  );
  for (const from of nodes) {
    for (const child of from.children) {
      links.push({
        key: edgeKey(from.name, child.name),
        to: child.node,
        from,
        child,
        pair: NOTHING,
      });
    }
  }
  const keys = new Set(links.map(({ key }) => key));
  if (keys.size !== links.length) throw new Error('two edges have the same name');
  return links;
}

/** Every round settles at least one more layer of the graph, so there are as many as nodes. */
function settle(graph: OracleGraph, links: readonly Link[]): void {
  for (let round = 0; round <= graph.nodes.length; round += 1) {
    let changed = false;
    for (const link of links) {
      const { from, child, pair } = link;
      if (from === undefined || child === undefined) continue;
      const into = links.filter(({ to }) => to === from.name);
      const asked = ask(graph, from, child, into);
      if (asked.perm === pair.perm && asked.shared === pair.shared) continue;
      link.pair = asked;
      changed = true;
    }
    if (!changed) return;
  }
  throw new Error('the permissions never settle: the graph has a circle');
}

// --- the rules that a graph can break

function sharingViolations(node: OracleNode, into: readonly Link[]): Violation[] {
  const found: Violation[] = [];
  for (const a of into) {
    for (const b of into) {
      const missing = b.pair.perm & ~a.pair.shared;
      if (a === b || missing === 0) continue;
      const text = `${b.key} needs ${namesOfBits(missing).join(', ')}, which ${a.key} does not share`;
      found.push({ rule: 'PERM-4', node: node.name, text });
    }
  }
  return found;
}

function needViolations(graph: OracleGraph, node: OracleNode, into: readonly Link[]): Violation[] {
  const found: Violation[] = [];
  const needs = into.reduce((sum, { pair }) => sum | pair.perm, 0);
  const report = (rule: Violation['rule'], text: string): void => {
    found.push({ rule, node: node.name, text });
  };
  if (node.forceShare === true && node.readOnly !== true) {
    report('PERM-15', 'it is shared by force and not read-only');
  }
  if ((needs & (W | WU)) === 0) return found;
  if (node.readOnly === true) report('PERM-7', 'a user writes, and it is read-only');
  if (node.inactive === true) report('PERM-7', 'a user writes, and it is inactive');
  if ((needs & RZ) === 0 && !isAligned(graph, node)) {
    report('PERM-8', 'a user writes without resizing, and its length is unaligned');
  }
  return found;
}

export function evaluate(graph: OracleGraph): Evaluation {
  const links = linksOf(graph);
  for (const { to } of links) findNode(graph, to);
  settle(graph, links);
  const violations = graph.nodes.flatMap((node) => {
    const into = links.filter(({ to }) => to === node.name);
    return [...needViolations(graph, node, into), ...sharingViolations(node, into)];
  });
  const [first] = violations;
  return {
    consistent: first === undefined,
    edges: new Map(links.map(({ key, pair }) => [key, pair])),
    ...(first === undefined ? {} : { reason: `${first.rule}, ${first.node}: ${first.text}` }),
    violations,
  };
}
