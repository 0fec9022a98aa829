// Random changes of who lives where, with requests under way all the time. What must hold after each:
// a backend is where its medium is, what hangs together is in one context, no request is lost.

import { graph } from '../../lib/graph/graph.js';
import { component } from '../../lib/graph/topology.js';
import { AioContext, BlockBackend, type BlockError, type BlockNode } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { slowDisk } from '../support/null-disk.js';
import { chooseSeed, randomNumbers } from '../support/random.js';

const STEPS = 150;
const FIXED = [1, 2];
const ALLOWED = ['EPERM', 'ENOMEDIUM', 'ERR_BLOCK_USAGE'];
const sector = Buffer.alloc(512);

/** The code of what went wrong; other errors are no part of the game. */
async function outcome(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'done';
  } catch (error) {
    const { code } = error as BlockError;
    if (ALLOWED.includes(code)) return code;
    throw error;
  }
}

function checkPlaces(): void {
  for (const root of graph().roots) {
    if (root.node !== undefined) expect(root.context).toBe(root.node.context);
  }
  for (const node of graph().nodes) {
    const { nodes, users } = component(node);
    const places = new Set([...nodes, ...users].map(({ context }) => context));
    expect([...places].map(({ name }) => name)).toEqual([node.context.name]);
  }
}

onEveryEngineAndHome((context) => {
  test.each([...FIXED, chooseSeed()])(
    'CTX-1: a random walk of moves, inserts and removals, seed %d',
    async (seed) => {
      const random = randomNumbers(seed);
      const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
      const other = new AioContext();
      const places = [AioContext.main, context(), other];
      const nodes: BlockNode[] = [];
      for (const name of ['a', 'b', 'c']) {
        nodes.push(await monitorNode(slowDisk(5000, { 'node-name': name })));
      }
      nodes.push(await monitorNode({ driver: 'raw', 'node-name': 'over-a', file: 'a' }));
      const backends = Array.from({ length: 5 }, (_, index) => {
        const blk = new BlockBackend({
          context: pick(places),
          permissions: ['consistent-read', 'write'],
          ...(index < 3 ? { name: `d${index}` } : {}),
        });
        blk.allowContextChange = index === 3;
        return blk;
      });
      const seen = new Map<string, number>();
      const requests: Promise<string>[] = [];
      for (let step = 0; step < STEPS; step += 1) {
        for (const blk of backends) requests.push(outcome(blk.pwrite(0, sector)));
        const blk = pick(backends);
        const choices: readonly (() => Promise<unknown>)[] = [
          () => blk.setContext(pick(places)),
          () => (blk.root === undefined ? blk.insert(pick(nodes)) : blk.remove()),
          () => (blk.root === undefined ? blk.insert(pick(nodes)) : blk.replaceRoot(pick(nodes))),
        ];
        const result = await outcome(pick(choices)());
        seen.set(result, (seen.get(result) ?? 0) + 1);
        checkPlaces();
      }
      const results = await Promise.all(requests);
      expect(results).toHaveLength(5 * STEPS);
      // The walk is worth something only if much of it happens.
      expect(seen.get('done') ?? 0).toBeGreaterThan(STEPS / 4);
      if (FIXED.includes(seed)) expect(seen.get('EPERM') ?? 0).toBeGreaterThan(0);
      expect(results.filter((result) => result === 'done').length).toBeGreaterThan(STEPS / 2);
      for (const blk of backends) {
        expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([0, 0, 0]);
        await blk.close();
      }
      for (const node of nodes.reverse()) {
        expect(node.context).toBe(AioContext.main);
        await dropMonitorNode(node);
      }
      expect(graph().nodes.size).toBe(0);
      await other.close();
    },
  );
});
