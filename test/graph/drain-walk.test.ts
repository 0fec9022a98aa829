// Random walks. BLOCK_BACKEND_TEST_SEED repeats one; BLOCK_BACKEND_TEST_STEPS makes them longer.
import { randomInt } from 'node:crypto';
import { AioContext } from '../../lib/index.js';
import { combinations } from '../support/matrix.js';
import { DrainModel } from './drain-model.js';
import { DrainWalk } from './drain-walk.js';

const seed = Number(process.env.BLOCK_BACKEND_TEST_SEED ?? randomInt(2 ** 31));
const steps = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 2000);
const limit = 60_000 + steps * 20;

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

test.each(combinations)(
  `NEW-20: ${steps} random steps on $aio in $home keep to the model (seed ${seed})`,
  (combination) => walk(new AioContext(combination), 100_000),
  limit,
);
