// Random walks. BLOCK_BACKEND_TEST_SEED repeats one; BLOCK_BACKEND_TEST_STEPS makes them longer.
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AioContext } from '../../lib/index.js';
import { combinations, scratchFolder } from '../support/matrix.js';
import { DrainGraphModel } from './drain-graph-model.js';
import { DrainGraphWalk } from './drain-graph-walk.js';
import { DrainModel } from './drain-model.js';
import { DrainWalk } from './drain-walk.js';

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? randomInt(2 ** 31));
const steps = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 2000);
const graphSteps = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 400);
const limit = 60_000 + steps * 60;

const image = join(scratchFolder(), 'walk.img');
beforeAll(() => writeFileSync(image, Buffer.alloc(1 << 20)));

test('the model itself: nesting, order of the queue, and who is above whom', () => {
  const above = new Map([
    ['a', ['b']],
    ['b', []],
  ]);
  const model = new DrainModel(above, new Map([['b', 5]]));
  model.begin(1, 'a');
  model.begin(2, undefined);
  for (const id of [10, 11, 12]) model.submit(id, 'b');
  expect([model.quiesceCount('a'), model.quiesceCount('b'), model.parked('b')]).toEqual([2, 2, 3]);
  expect([model.abort(11), model.abort(11)]).toEqual([true, false]);
  model.end(1);
  expect([model.parked('b'), model.inFlight('b')]).toEqual([2, 0]);
  model.end(2);
  expect([model.parked('b'), model.inFlight('b')]).toEqual([0, 2]);
  model.advance(4);
  expect(() => model.complete(11)).toThrow('request 11 ended, which is aborted');
  expect(model.inFlight('b')).toBe(2);
  model.advance(1);
  expect([model.inFlight('b'), model.state(12)]).toEqual([0, 'done']);
});

test('the model of changes: who waits for whom, and who joins and leaves', () => {
  const model = new DrainGraphModel();
  model.addNode('leaf', 'leaf');
  model.addNode('over', 'overlay');
  model.addBackend('blk');
  model.change(1, { kind: 'insert', backend: 'blk', node: 'over' });
  expect([model.result(1), model.root('blk')]).toEqual(['done', 'over']);
  model.submit(2, 'blk', 'read');
  expect(model.outcome(2)).toBe('done');
  model.begin(3, { kind: 'node', name: 'leaf' });
  model.change(4, { kind: 'set backing', node: 'over', to: 'leaf' });
  expect(['leaf', 'over', 'blk'].map((name) => model.quiesceCount(name))).toEqual([1, 1, 1]);
  model.submit(5, 'blk', 'read');
  model.submit(6, 'blk', 'length');
  expect([model.parked('blk'), model.outcome(6)]).toEqual([1, 'done']);
  model.end(3);
  expect(['leaf', 'over', 'blk'].map((name) => model.inFlight(name))).toEqual([1, 1, 1]);
  model.change(7, { kind: 'remove', backend: 'blk' });
  expect([model.result(7), model.quiesceCount('blk'), model.quiesceCount('over')]).toEqual([
    undefined,
    1,
    0,
  ]);
  expect(model.release('leaf')).toBe(1);
  expect([model.result(7), model.outcome(5), model.root('blk')]).toEqual([
    'done',
    'done',
    undefined,
  ]);
  model.change(8, { kind: 'set backing', node: 'over', to: 'over' });
  expect(model.result(8)).toBe('EINVAL');
});

async function walk(context: AioContext, latency: number): Promise<void> {
  const result = await new DrainWalk({ seed, steps, context, latency }).run();
  // A walk that parks nothing shows nothing.
  expect(result.requests).toBeGreaterThan(steps);
  expect(result.sections).toBeGreaterThan(steps / 20);
  expect(result.parkedAtOnce).toBeGreaterThan(5);
  await context.close();
}

test(
  `DRAIN-23: ${steps} random steps in virtual time keep to the model (seed ${seed})`,
  () => walk(new AioContext({ home: 'virtual' }), 1_000_000),
  limit,
);

const CHANGES = [
  'append',
  'close',
  'create',
  'delete',
  'insert',
  'remove',
  'replace',
  'replace root',
  'set backing',
];

/** Changes of the graph among the sections and requests. */
async function walkTheGraph(context: AioContext, filename?: string): Promise<void> {
  const options = { seed, steps: graphSteps, context };
  const walk = new DrainGraphWalk(filename === undefined ? options : { ...options, filename });
  const result = await walk.run();
  expect(result.requests).toBeGreaterThan(graphSteps / 8);
  expect(result.sections).toBeGreaterThan(graphSteps / 50);
  // A walk that changes nothing shows nothing either; a long one has made every change.
  const kinds = Object.keys(result.changes).sort();
  expect(kinds.length).toBeGreaterThan(3);
  if (graphSteps >= 5000) expect(kinds).toEqual(CHANGES);
  const changes = Object.values(result.changes).reduce((sum, count) => sum + count, 0);
  expect(changes).toBeGreaterThan(graphSteps / 40);
  expect(result.parked).toBeGreaterThan(1);
  expect(result.depth).toBeGreaterThan(1);
  await context.close();
}

test(
  `DRAIN-35: ${graphSteps} random changes, sections and requests in virtual time keep to the model (seed ${seed})`,
  () => walkTheGraph(new AioContext({ home: 'virtual' })),
  limit,
);

test.each(combinations)(
  `DRAIN-35: ${graphSteps} random changes, sections and requests on $aio in $home keep to the model (seed ${seed})`,
  (combination) => walkTheGraph(new AioContext(combination), image),
  limit,
);

test.each(combinations)(
  `NEW-20: ${steps} random steps on $aio in $home keep to the model (seed ${seed})`,
  (combination) => walk(new AioContext(combination), 100_000),
  limit,
);
