// Limits in drained sections: those of backends, and those of throttle nodes.
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  drainedAll,
  drainedNode,
  ThrottleGroup,
} from '../../lib/index.js';
import { Dispatches, MS } from '../support/dispatches.js';
import { clearGraph, nodeOf } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { isSettled, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);

test('DRAIN-20: ten a second, four reads, then a drain: all are done at once', async () => {
  await using context = new AioContext({ home: 'virtual' });
  const blk = await BlockBackend.open(fastDisk(), { context });
  blk.ioLimitsEnable('ten');
  blk.setIoLimits({ 'iops-total': 10 });
  const dispatches = new Dispatches(context);
  // Without a drain the last of four waits for 200 ms.
  dispatches.reads('alone', blk, 4);
  await dispatches.advanceTo(1000 * MS);
  expect(dispatches.timesOf('alone')).toEqual([0, 0, 100 * MS, 200 * MS]);
  const { now } = dispatches;
  dispatches.reads('drained', blk, 4);
  dispatches.note('flush', blk.flush());
  const section = await blk.drained();
  expect([blk.inFlight, dispatches.now]).toEqual([0, now]);
  section.end();
  expect(dispatches.timesOf('drained')).toEqual([now, now, now, now]);
  expect(dispatches.timesOf('flush')).toEqual([now]);
  await blk.close();
});

test('DRAIN-42: a section above a throttle node leaves its limits alone, one below lifts them', async () => {
  await using context = new AioContext({ home: 'virtual' });
  const group = new ThrottleGroup('ten', { 'iops-total': 10 });
  const below = { driver: 'null-co', size: 1 << 20, 'node-name': 'below' };
  const filter = {
    driver: 'throttle',
    'throttle-group': 'ten',
    'node-name': 'filter',
    file: below,
  };
  const above = { driver: 'raw', 'node-name': 'above', file: filter };
  const blk = await BlockBackend.open(above, { context });
  const dispatches = new Dispatches(context);
  const counts = () => ['above', 'filter', 'below'].map((name) => nodeOf(name).info().quiesce);

  // A section goes up: this one does not reach the filter, whose requests take their time.
  dispatches.reads('above', blk, 4);
  const begun = blk.drained();
  expect(counts()).toEqual([1, 0, 0]);
  expect(await isSettled(begun)).toBe(false);
  expect(nodeOf('filter').info().inFlight).toBe(2);
  await dispatches.advanceTo(1000 * MS);
  (await begun).end();
  expect(dispatches.timesOf('above')).toEqual([0, 0, 100 * MS, 200 * MS]);

  const sections = {
    filter: { begin: () => drainedNode('filter'), quiesce: [1, 1, 0] },
    below: { begin: () => drainedNode('below'), quiesce: [1, 1, 1] },
    subtree: { begin: () => drainedNode('above', { subtree: true }), quiesce: [1, 1, 1] },
    all: { begin: () => drainedAll(), quiesce: [1, 1, 1] },
  };
  let charged = 0;
  for (const [name, { begin, quiesce }] of Object.entries(sections)) {
    const { now } = dispatches;
    dispatches.reads(name, blk, 5);
    charged = (group.info().buckets['iops-total']?.level ?? 0) + 3;
    const section = await begin();
    expect(counts()).toEqual(quiesce);
    expect([blk.inFlight, nodeOf('filter').info().inFlight]).toEqual([0, 0]);
    expect(dispatches.timesOf(name)).toEqual([now, now, now, now, now]);
    // Those that did not wait are charged all the same.
    expect(group.info().buckets['iops-total']?.level).toBeCloseTo(charged);
    section.end();
    // The limits bear again, and what was charged has to be waited for.
    dispatches.reads(`after ${name}`, blk, 1);
    await dispatches.advanceTo(now + 2000 * MS);
    expect(dispatches.timesOf(`after ${name}`)).toEqual([now + 400 * MS]);
  }
  await blk.close();
  group.delete();
});

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  test('DRAIN-20: requests that would wait for hours are done when a drain returns', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context: context() });
    blk.ioLimitsEnable('slow');
    blk.setIoLimits({ 'bps-total': 1 });
    const reads = [1, 2, 3, 4].map(() => blk.pread(0, sector));
    await until(() => blk.inFlight === 3);
    expect(await isSettled(reads[1] as Promise<number>)).toBe(false);
    const flush = blk.flush();
    const section = await blk.drained();
    expect(await isSettled(Promise.all([...reads, flush]))).toBe(true);
    expect(await Promise.all([...reads, flush])).toEqual([512, 512, 512, 512, 0]);
    section.end();
  });

  test('DRAIN-19: in a section without queueing limits do not bear, and are charged', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context: context() });
    const other = await BlockBackend.open(fastDisk(), { context: context() });
    for (const each of [blk, other]) each.ioLimitsEnable('shared');
    blk.setIoLimits({ 'bps-total': 1 });
    blk.requestQueueing = false;
    const section = await blk.drained();
    for (let read = 0; read < 5; read += 1) expect(await blk.pread(0, sector)).toBe(512);
    // The others of the group pay.
    const paid = other.pread(0, sector);
    expect(await isSettled(paid)).toBe(false);
    section.end();
    const late = blk.pread(0, sector);
    expect(await isSettled(late)).toBe(false);
    blk.setIoLimits({});
    expect(await Promise.all([paid, late])).toEqual([512, 512]);
  });

  test('DRAIN-42: a throttle node that is attached in a section lets go until it ends', async () => {
    const group = new ThrottleGroup('slow', { 'bps-total': 1 });
    const options = { driver: 'throttle', 'node-name': 'filter', 'throttle-group': 'slow' };
    await blockdevAdd(fastDisk({ 'node-name': 'below' }));
    const keeper = await BlockBackend.open('below', { context: context() });
    const section = await drainedNode('below');
    await blockdevAdd({ ...options, file: 'below' });
    expect(nodeOf('filter').info().quiesce).toBe(1);
    const blk = await BlockBackend.open('filter', { context: context() });
    blk.requestQueueing = false;
    expect([blk.inDrain, keeper.inDrain]).toEqual([true, true]);
    for (let read = 0; read < 3; read += 1) expect(await blk.pread(0, sector)).toBe(512);
    section.end();
    const late = blk.pread(0, sector);
    expect(await isSettled(late)).toBe(false);
    const again = await drainedNode('below');
    expect(await late).toBe(512);
    again.end();
    await clearGraph();
    group.delete();
  });
});

test.each(['close', 'remove'] as const)(
  'DRAIN-15: %s drains the node as well, so what its throttle filter holds goes at once',
  async (how) => {
    await using context = new AioContext({ home: 'virtual' });
    const group = new ThrottleGroup('one', { 'iops-total': 1 });
    const disk = { driver: 'null-co', size: 1 << 20 };
    const filter = { driver: 'throttle', 'throttle-group': 'one', file: disk };
    const blk = await BlockBackend.open(filter, { context });
    const dispatches = new Dispatches(context);
    dispatches.reads('held', blk, 4);
    await dispatches.advanceTo(1 * MS);
    expect(dispatches.timesOf('held').length).toBeLessThan(4);
    // Nobody moves the clock: three of them would wait for seconds.
    await blk[how]();
    expect(dispatches.timesOf('held')).toEqual([0, 1 * MS, 1 * MS, 1 * MS]);
    await blk.close();
    group.delete();
  },
);
