// Random changes of a graph: legal ones, of which the permission rules refuse a part.

import type { Random } from '../support/random.js';
import { isUsed, type Operation, type OperationType, subtree } from './permission-operations.js';
import {
  isAligned,
  type OracleChild,
  type OracleGraph,
  type OracleNode,
  type OracleUser,
  Perm,
  Role,
} from './permission-oracle.js';

export interface GeneratorOptions {
  /** Default: all. */
  readonly types?: readonly OperationType[];
  /** Nodes whose length is no multiple of their request alignment. Default true. */
  readonly unaligned?: boolean;
  /** Default 12 and 8. */
  readonly maxNodes?: number;
  readonly maxUsers?: number;
}

const FILTERED = Role.filtered | Role.primary;
const { data, metadata, primary, cow } = Role;

/** How often each is tried. */
const WEIGHTS: readonly (readonly [OperationType, number])[] = [
  ['open', 14],
  ['close', 6],
  ['attach', 24],
  ['set-permissions', 26],
  ['detach', 12],
  ['insert', 5],
  ['replace', 8],
  ['set-read-only', 8],
];

/** Children of a probe, by name and role: a filter, formats, an overlay, and what no driver has. */
const SHAPES: readonly (readonly (readonly [string, number])[])[] = [
  [['file', FILTERED]],
  [['file', data | primary]],
  [['file', data | metadata | primary]],
  [
    ['file', data | metadata | primary],
    ['backing', cow],
  ],
  [
    ['file', metadata | primary],
    ['data-file', data],
  ],
  [
    ['file', metadata | primary],
    ['data-file', data],
    ['backing', cow],
  ],
  [['backing', cow]],
  [
    ['file', data | primary],
    ['log', metadata],
    ['left', cow],
    ['right', cow],
  ],
];

const { CR, W, WU, RZ, ALL } = Perm;
/** Users mostly share nearly everything: otherwise there would never be two of them. */
const SHARED = [ALL, ALL, ALL, ALL & ~RZ, ALL & ~W, CR | WU, CR];
const NEEDED = [0, CR, CR, CR | W, CR | W, CR | W | RZ, CR | W | RZ, WU, RZ];
/** With so many in vain there is nothing that could be done. */
const MAX_TRIES = 10_000;

export class OperationGenerator {
  readonly #random: Random;
  readonly #options: Required<GeneratorOptions>;
  #names = 0;

  constructor(random: Random, options: GeneratorOptions = {}) {
    this.#random = random;
    const types = WEIGHTS.map(([type]) => type);
    this.#options = { types, unaligned: true, maxNodes: 12, maxUsers: 8, ...options };
  }

  /** An operation that the graph has the nodes and users for. */
  next(graph: OracleGraph): Operation {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const operation = this.#make(this.#type(), graph);
      if (operation !== undefined) return operation;
    }
    throw new Error(`nothing can be done by ${this.#options.types.join(', ')}`);
  }

  #type(): OperationType {
    const wanted = WEIGHTS.filter(([type]) => this.#options.types.includes(type));
    let dice = this.#random(wanted.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [type, weight] of wanted) {
      if (dice < weight) return type;
      dice -= weight;
    }
    throw new Error('there is nothing to do');
  }

  #make(type: OperationType, graph: OracleGraph): Operation | undefined {
    const { nodes, users } = graph;
    const node = this.#pick(nodes);
    const user = this.#pick(users);
    const pair = { permissions: this.#needed(), shared: this.#shared() };
    if (type === 'open') return this.#open(graph);
    if (type === 'attach') {
      if (node === undefined || users.length >= this.#options.maxUsers) return undefined;
      return { type, user: { name: this.#name('user'), node: node.name, ...pair } };
    }
    if (type === 'set-permissions') {
      // Giving up has rules of its own, and would hardly ever come about by chance.
      const less = user !== undefined && this.#random(3) === 0 ? this.#less(user) : pair;
      return user && { type, user: user.name, ...less };
    }
    if (type === 'detach') return user && { type, user: user.name };
    if (node === undefined) return undefined;
    if (type === 'close') {
      return isUsed(graph, node.name) ? undefined : { type, node: node.name };
    }
    if (type === 'insert') return this.#insert(graph, node);
    if (type === 'replace') return this.#replace(graph, node);
    // A node that is shared by force must stay read-only (PERM-15).
    if (node.forceShare === true) return undefined;
    return { type, node: node.name, readOnly: node.readOnly !== true };
  }

  #open(graph: OracleGraph): Operation | undefined {
    const { nodes } = graph;
    if (nodes.length >= this.#options.maxNodes) return undefined;
    return {
      type: 'open',
      node: { ...this.#shape(nodes), ...this.#state(), name: this.#name('n') },
    };
  }

  #shape(nodes: readonly OracleNode[]): Pick<OracleNode, 'kind' | 'children' | 'aligned'> {
    const dice = this.#random(100);
    const child = (name: string, role: number): OracleChild[] => {
      const node = this.#pick(nodes);
      return node === undefined ? [] : [{ name, role, node: node.name }];
    };
    if (nodes.length < 2 || dice < 30) {
      const aligned = !this.#options.unaligned || this.#random(3) > 0;
      return { kind: 'protocol', aligned, children: [] };
    }
    if (dice < 50) return { kind: 'raw', children: child('file', FILTERED) };
    if (dice < 60) {
      return { kind: 'raw-window', aligned: true, children: child('file', data | primary) };
    }
    const shape = this.#pick(SHAPES) ?? [];
    const children = shape.flatMap(([name, role]) => child(name, role));
    return { kind: 'probe', children: children.map((plain) => ({ ...plain, ...this.#extras() })) };
  }

  /** What a driver may want beside what its roles give. */
  #extras(): Pick<OracleChild, 'take' | 'unshare'> {
    const dice = this.#random(12);
    const bit = 1 << this.#random(4);
    if (dice === 0) return { take: bit };
    return dice === 1 ? { unshare: bit } : {};
  }

  #state(): Pick<OracleNode, 'readOnly' | 'forceShare'> {
    if (this.#random(4) > 0) return {};
    return this.#random(3) === 0 ? { readOnly: true, forceShare: true } : { readOnly: true };
  }

  #insert(graph: OracleGraph, above: OracleNode): Operation | undefined {
    if (graph.nodes.length >= this.#options.maxNodes) return undefined;
    const children = [{ name: 'file', role: FILTERED, node: above.name }];
    const readOnly = this.#random(4) === 0;
    const node: OracleNode = { name: this.#name('n'), kind: 'raw', readOnly, children };
    return { type: 'insert', node, above: above.name };
  }

  /** Lengths stay what they are: they are read anew only after the change is decided. */
  #replace(graph: OracleGraph, from: OracleNode): Operation | undefined {
    const to = this.#pick(graph.nodes);
    if (to === undefined || to === from || !isUsed(graph, from.name)) return undefined;
    if (isAligned(graph, to) !== isAligned(graph, from)) return undefined;
    // With nothing to move there is nothing to see.
    const stay = subtree(graph, to.name);
    const moves =
      graph.users.some(({ node }) => node === from.name) ||
      graph.nodes.some(
        ({ name, children }) => !stay.has(name) && children.some(({ node }) => node === from.name),
      );
    return moves ? { type: 'replace', from: from.name, to: to.name } : undefined;
  }

  #less({ permissions, shared }: OracleUser): { permissions: number; shared: number } {
    return { permissions: permissions & this.#random(16), shared: shared | this.#random(16) };
  }

  #needed(): number {
    const usual = this.#pick(NEEDED) ?? 0;
    return this.#random(4) === 0 ? usual | this.#random(16) : usual;
  }

  #shared(): number {
    return this.#random(8) === 0 ? this.#random(16) : (this.#pick(SHARED) ?? ALL);
  }

  #name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#random(items.length)];
  }
}
