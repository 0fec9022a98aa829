// The walk itself: it accepts what keeps to the rules, and finds what does not.
// BLOCK_BACKEND_TEST_SEED repeats a walk; BLOCK_BACKEND_TEST_STEPS makes it longer.
import { randomInt } from 'node:crypto';
import { expectationOf, type Operation, resultOf } from './permission-operations.js';
import {
  edgeKey,
  evaluate,
  namesOfBits,
  type OracleGraph,
  type OracleNode,
  Perm,
  Role,
} from './permission-oracle.js';
import { permissionWalk, type WalkAdapter, type WalkDump } from './permission-walk.js';

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? randomInt(2 ** 31));
const steps = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 1000);

type Answer = 'ok' | { readonly code: string };

function dumpOf(graph: OracleGraph, evaluated: OracleGraph = graph): WalkDump {
  const { edges } = evaluate(evaluated);
  const entry = (parent: string, name: string, child: string) => {
    const { perm, shared } = edges.get(edgeKey(parent, name)) ?? { perm: 0, shared: Perm.ALL };
    const permissions = namesOfBits(perm);
    return { parent: { name: parent }, name, child, permissions, shared: namesOfBits(shared) };
  };
  return {
    edges: [
      ...graph.users.map(({ name, node }) => entry(name, 'root', node)),
      ...graph.nodes.flatMap(({ name, children }) =>
        children.map((child) => entry(name, child.name, child.node)),
      ),
    ],
  };
}

/** A product that keeps to the rules; its heirs break one each. */
class Model implements WalkAdapter {
  graph: OracleGraph = { nodes: [], users: [] };

  async apply(operation: Operation): Promise<Answer> {
    const { outcome, after } = expectationOf(this.graph, operation);
    if (outcome === 'refused') return { code: 'EPERM' };
    this.graph = after;
    return 'ok';
  }

  dump(): WalkDump {
    return dumpOf(this.graph);
  }
}

/** Like QEMU, it rolls back what broke a rule by giving up, and remembers only the wish. */
class RollingBack extends Model {
  #shown: OracleGraph | undefined;

  override async apply(operation: Operation): Promise<Answer> {
    const before = this.graph;
    const { outcome } = expectationOf(before, operation);
    const answer = await super.apply(operation);
    const isKept = outcome === 'swallowed' && operation.type === 'set-permissions';
    this.#shown = isKept ? before : undefined;
    return answer;
  }

  override dump(): WalkDump {
    return dumpOf(this.#shown ?? this.graph);
  }
}

class NeverRefuses extends Model {
  override async apply(operation: Operation): Promise<Answer> {
    this.graph = resultOf(this.graph, operation);
    return 'ok';
  }
}

class LeavesTraces extends Model {
  override async apply(operation: Operation): Promise<Answer> {
    const answer = await super.apply(operation);
    if (answer !== 'ok') this.graph = resultOf(this.graph, operation);
    return answer;
  }
}

class WrongCode extends Model {
  override async apply(operation: Operation): Promise<Answer> {
    const answer = await super.apply(operation);
    return answer === 'ok' ? answer : { code: 'EINVAL' };
  }
}

class RefusesToGiveUp extends Model {
  override async apply(operation: Operation): Promise<Answer> {
    const { outcome } = expectationOf(this.graph, operation);
    return outcome === 'ok' ? super.apply(operation) : { code: 'EPERM' };
  }
}

/** Only what a change adds is computed anew. */
class NeverLoosens extends Model {
  #held = new Map<string, string[]>();

  override dump(): WalkDump {
    const { edges } = super.dump();
    return {
      edges: edges.map((edge) => {
        const key = edgeKey(edge.parent.name, edge.name);
        const permissions = [...new Set([...(this.#held.get(key) ?? []), ...edge.permissions])];
        this.#held.set(key, permissions);
        return { ...edge, permissions };
      }),
    };
  }
}

/** Judges a replacement before the old edges are gone (against PERM-19). */
class JudgesHalfway extends Model {
  override async apply(operation: Operation): Promise<Answer> {
    if (operation.type === 'replace') {
      const after = resultOf(this.graph, operation);
      const doubles = this.graph.users
        .filter(({ node }) => node === operation.from)
        .map((user) => ({ ...user, name: `${user.name}-before` }));
      const halfway = { ...after, users: [...after.users, ...doubles] };
      if (!evaluate(halfway).consistent) return { code: 'EPERM' };
    }
    return super.apply(operation);
  }
}

/** Breaks one rule about what edges hold. */
class Misunderstands extends Model {
  readonly #rewrite: (node: OracleNode) => OracleNode;

  constructor(rewrite: (node: OracleNode) => OracleNode) {
    super();
    this.#rewrite = rewrite;
  }

  override dump(): WalkDump {
    const { nodes, users } = this.graph;
    return dumpOf(this.graph, { nodes: nodes.map(this.#rewrite), users });
  }
}

function withRole(from: number, to: number): (node: OracleNode) => OracleNode {
  return (node) => ({
    ...node,
    children: node.children.map((child) =>
      (child.role & from) === 0 ? child : { ...child, role: (child.role & ~from) | to },
    ),
  });
}

describe('permission walk', () => {
  test(`permission walk: ${steps} random steps of a model keep to the rules (seed ${seed})`, async () => {
    const model = new Model();
    const result = await permissionWalk(model, { seed, steps });
    expect(model.graph).toEqual({ nodes: [], users: [] });
    // A walk in which nothing is refused shows as little as one in which everything is.
    expect(result.ok).toBeGreaterThan(steps / 4);
    expect(result.refused).toBeGreaterThan(steps / 20);
    for (const [type, { ok }] of result.byType) expect([type, ok > 0]).toEqual([type, true]);
    expect(result.byType.size).toBe(8);
  });

  test('permission walk: the same seed makes the same walk', async () => {
    const one = await permissionWalk(new Model(), { seed: 5, steps: 200 });
    const two = await permissionWalk(new Model(), { seed: 5, steps: 200 });
    expect(two.history).toEqual(one.history);
    const other = await permissionWalk(new Model(), { seed: 6, steps: 200 });
    expect(other.history).not.toEqual(one.history);
  });

  test('permission walk: it can be limited', async () => {
    const options = { seed: 3, steps: 300, unaligned: false, maxNodes: 4, maxUsers: 2 };
    const types = ['open', 'attach', 'detach'] as const;
    const { byType, history, swallowed } = await permissionWalk(new Model(), { ...options, types });
    expect([...byType.keys()].sort()).toEqual(['attach', 'detach', 'open']);
    expect(JSON.stringify(history)).not.toContain('"aligned":false');
    expect(swallowed).toBe(0);
  });

  test('permission walk: an error that was swallowed may leave edges as they were', async () => {
    let swallowed = 0;
    for (let run = 1; run <= 5; run += 1) {
      const result = await permissionWalk(new RollingBack(), { seed: run, steps: 400 });
      swallowed += result.swallowed;
    }
    expect(swallowed).toBeGreaterThan(0);
  });

  test.each<[string, () => WalkAdapter]>([
    ['never refuses', () => new NeverRefuses()],
    ['leaves traces of what it refuses', () => new LeavesTraces()],
    ['refuses with another code', () => new WrongCode()],
    ['refuses to give something up', () => new RefusesToGiveUp()],
    ['gives nothing back', () => new NeverLoosens()],
    ['judges a replacement halfway', () => new JudgesHalfway()],
    ['takes backing for a filter', () => new Misunderstands(withRole(Role.cow, Role.filtered))],
    ['takes metadata for data', () => new Misunderstands(withRole(Role.metadata, Role.data))],
    [
      'takes data for a filter',
      () => new Misunderstands(withRole(Role.data | Role.metadata, Role.filtered)),
    ],
    ['forgets force-share', () => new Misunderstands((node) => ({ ...node, forceShare: false }))],
    [
      'has every window for a format',
      () =>
        new Misunderstands((node) =>
          node.kind === 'raw-window' ? { ...node, kind: 'probe' } : node,
        ),
    ],
    [
      'writes through what is read-only',
      () => new Misunderstands((node) => ({ ...node, readOnly: false })),
    ],
  ])('permission walk: it finds a product that %s', async (_, make) => {
    const walks = Array.from({ length: 12 }, (_unused, index) =>
      permissionWalk(make(), { seed: index + 1, steps: 400 }),
    );
    const results = await Promise.allSettled(walks);
    const errors = results.flatMap((result) =>
      result.status === 'rejected' ? [String(result.reason)] : [],
    );
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toMatch(/^Error: seed \d+, step \d+ \(\{.*\}\): /);
  });
});
