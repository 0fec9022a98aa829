// A random walk over changes of a graph. After every step the product must have answered as the
// oracle says, and hold what the oracle says; after a refusal, exactly what it held before.
import { isDeepStrictEqual } from 'node:util';
import { randomNumbers } from '../support/random.js';
import { type GeneratorOptions, OperationGenerator } from './permission-generator.js';
import {
  type Expectation,
  expectationOf,
  inverseOf,
  isUsed,
  type Operation,
  type OperationType,
  type Outcome,
} from './permission-operations.js';
import {
  bitsOfNames,
  edgeKey,
  evaluate,
  namesOfBits,
  type OracleGraph,
} from './permission-oracle.js';

/** A GraphDump has this shape. */
export interface WalkDump {
  readonly edges: readonly {
    readonly parent: { readonly name: string };
    readonly name: string;
    readonly child: string;
    readonly permissions: readonly string[];
    readonly shared: readonly string[];
  }[];
}

/** The product, or something that behaves like it. It begins with an empty graph. */
export interface WalkAdapter {
  /** `code` is that of the error, which for a refusal must be EPERM (PERM-24). */
  apply(operation: Operation): Promise<'ok' | { readonly code: string }>;
  /** Plain data: of a refused change it must see no trace. */
  dump(): WalkDump;
}

export interface WalkOptions extends GeneratorOptions {
  readonly seed: number;
  readonly steps: number;
}

/** How often each operation had which outcome. */
export interface WalkResult {
  readonly ok: number;
  readonly refused: number;
  readonly swallowed: number;
  readonly byType: ReadonlyMap<OperationType, { ok: number; refused: number }>;
  /** The operations that were done, so that a test can replay or count them. */
  readonly history: readonly Operation[];
}

interface Held {
  readonly child: string;
  readonly perm: number;
  readonly shared: number;
}

function heldByProduct({ edges }: WalkDump): Map<string, Held> {
  return new Map(
    edges.map(({ parent, name, child, permissions, shared }) => [
      edgeKey(parent.name, name),
      { child, perm: bitsOfNames(permissions), shared: bitsOfNames(shared) },
    ]),
  );
}

function heldByOracle(graph: OracleGraph): Map<string, Held> {
  const { edges } = evaluate(graph);
  const children = new Map<string, string>();
  for (const { name, edge = 'root', node } of graph.users) children.set(edgeKey(name, edge), node);
  for (const node of graph.nodes) {
    for (const child of node.children) children.set(edgeKey(node.name, child.name), child.node);
  }
  return new Map(
    [...edges].map(([key, pair]) => [key, { child: children.get(key) ?? '', ...pair }]),
  );
}

function words(held: Held | undefined): string {
  if (held === undefined) return 'is not there';
  const { child, perm, shared } = held;
  return `leads to ${child}, holds [${namesOfBits(perm).join()}], shares [${namesOfBits(shared).join()}]`;
}

/** The first difference in words; '' without one. */
export function differenceOf(graph: OracleGraph, dump: WalkDump): string {
  const is = heldByProduct(dump);
  const should = heldByOracle(graph);
  for (const key of new Set([...should.keys(), ...is.keys()])) {
    const [actual, expected] = [words(is.get(key)), words(should.get(key))];
    if (actual !== expected) return `${key} ${actual}; the oracle: ${expected}`;
  }
  return '';
}

class Walk {
  readonly #adapter: WalkAdapter;
  readonly #seed: number;
  readonly #history: Operation[] = [];
  readonly #counts = { ok: 0, refused: 0, swallowed: 0 };
  readonly #byType = new Map<OperationType, { ok: number; refused: number }>();
  graph: OracleGraph = { nodes: [], users: [] };

  constructor(adapter: WalkAdapter, seed: number) {
    this.#adapter = adapter;
    this.#seed = seed;
  }

  get result(): WalkResult {
    return { ...this.#counts, byType: this.#byType, history: this.#history };
  }

  async step(operation: Operation): Promise<void> {
    const expected = expectationOf(this.graph, operation);
    const { outcome } = expected;
    // There is no way back from this one.
    if (outcome === 'swallowed' && operation.type === 'close') return;
    const before = this.#adapter.dump();
    await this.#apply(operation, outcome, expected.reason);
    this.#count(operation.type, expected);
    if (outcome === 'swallowed') await this.#goBack(operation, expected);
    else if (outcome === 'refused') this.#compareRefused(before);
    else this.#compare(expected.after);
  }

  /** Detaches and closes everything, which is never refused. */
  async finish(): Promise<void> {
    let exact = true;
    for (let operation = this.#nextToGo(); operation; operation = this.#nextToGo()) {
      const { outcome, after } = expectationOf(this.graph, operation);
      await this.#apply(operation, 'ok');
      // What edges hold while a rule is broken is left open; at the end there are none.
      if (outcome !== 'ok') exact = false;
      this.graph = after;
      if (exact) this.#compare(after);
    }
    this.#compare(this.graph);
  }

  #nextToGo(): Operation | undefined {
    const { users, nodes } = this.graph;
    const user = users.at(-1);
    if (user !== undefined) return { type: 'detach', user: user.name };
    const unused = nodes.find(({ name }) => !isUsed(this.graph, name));
    return unused && { type: 'close', node: unused.name };
  }

  async #apply(operation: Operation, outcome: Outcome, reason = ''): Promise<void> {
    this.#history.push(operation);
    const answer = await this.#adapter.apply(operation);
    const code = answer === 'ok' ? 'ok' : answer.code;
    if (code === (outcome === 'refused' ? 'EPERM' : 'ok')) return;
    this.#fail(`it answered ${code}; the oracle: ${outcome} ${reason}`);
  }

  #compare(after: OracleGraph): void {
    const difference = differenceOf(after, this.#adapter.dump());
    if (difference !== '') this.#fail(difference);
    this.graph = after;
  }

  #compareRefused(before: WalkDump): void {
    const after = this.#adapter.dump();
    if (isDeepStrictEqual(before, after)) return;
    const difference = differenceOf(this.graph, after);
    this.#fail(`it was refused and left traces: ${difference || JSON.stringify(after)}`);
  }

  /**
   * The catalogue leaves open whether edges change when an inner error was swallowed, so either is
   * right for now. Taking back what was given up must work, and then nothing is left open.
   */
  async #goBack(operation: Operation, { after }: Expectation): Promise<void> {
    if (operation.type === 'set-permissions') {
      const dump = this.#adapter.dump();
      const difference = differenceOf(after, dump);
      if (difference !== '' && differenceOf(this.graph, dump) !== '') this.#fail(difference);
    }
    await this.#apply(inverseOf(this.graph, operation), 'ok');
    this.#compare(this.graph);
  }

  #count(type: OperationType, { outcome }: Expectation): void {
    this.#counts[outcome] += 1;
    const counts = this.#byType.get(type) ?? { ok: 0, refused: 0 };
    counts[outcome === 'refused' ? 'refused' : 'ok'] += 1;
    this.#byType.set(type, counts);
  }

  #fail(what: string): never {
    const step = this.#history.length;
    const last = JSON.stringify(this.#history.at(-1));
    throw new Error(
      `seed ${this.#seed}, step ${step} (${last}): ${what}\ngraph: ${JSON.stringify(this.graph)}`,
    );
  }
}

/** @throws Error with the seed, the step and the graph where product and oracle part. */
export async function permissionWalk(
  adapter: WalkAdapter,
  options: WalkOptions,
): Promise<WalkResult> {
  const { seed, steps, ...generator } = options;
  const walk = new Walk(adapter, seed);
  const operations = new OperationGenerator(randomNumbers(seed), generator);
  for (let step = 0; step < steps; step += 1) await walk.step(operations.next(walk.graph));
  await walk.finish();
  return walk.result;
}
