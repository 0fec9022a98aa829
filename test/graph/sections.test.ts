// What a drained section covers, and what it waits for.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend, BlockUsageError, drainedAll } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { isSettled, turn, until } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);

/** The quiesce counts of a backend's root node and of the node below it, if there is one. */
function nodeQuiesce(blk: BlockBackend): number[] {
  const root = blk.root;
  if (root === undefined) return [];
  return [root, ...root.children.map(({ edge }) => edge.child)].map((node) => node.info().quiesce);
}

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk()) => BlockBackend.open(options, { context: context() });

  test('DRAIN-1: begin has quiesced the node and the backend when it returns', async () => {
    await using blk = await open();
    const quiet = blk.drainBegin();
    expect(nodeQuiesce(blk)).toEqual([1]);
    expect(blk.quiesceCount).toBe(1);
    const read = blk.pread(0, sector);
    await until(() => blk.parked === 1);
    await until(() => blk.inFlight === 0);
    await quiet;
    expect(await isSettled(read)).toBe(false);
    blk.drainEnd();
    expect(nodeQuiesce(blk)).toEqual([0]);
    expect(blk.quiesceCount).toBe(0);
    expect(await read).toBe(512);
  });

  test('DRAIN-1: the promise of begin resolves from a fresh turn of the loop', async () => {
    await using blk = await open();
    const order: string[] = [];
    const quiet = blk.drainBegin().then(() => order.push('quiet'));
    process.nextTick(() => order.push('tick'));
    await Promise.resolve();
    order.push('microtask');
    await quiet;
    expect(order).toEqual(['microtask', 'tick', 'quiet']);
    blk.drainEnd();
  });

  test('DRAIN-2: a section goes up from its node, never down', async () => {
    const above = { driver: 'raw', file: fastDisk({ 'node-name': 'below' }) };
    await using upper = await open(above);
    await using lower = await BlockBackend.open('below');
    {
      await using section = await upper.drained();
      expect(section.ended).toBe(false);
      expect(nodeQuiesce(upper)).toEqual([1, 0]);
      expect([upper.quiesceCount, lower.quiesceCount]).toEqual([1, 0]);
    }
    {
      await using section = await lower.drained();
      expect(section.ended).toBe(false);
      expect(nodeQuiesce(upper)).toEqual([1, 1]);
      expect([upper.quiesceCount, lower.quiesceCount]).toEqual([1, 1]);
    }
    expect(nodeQuiesce(upper)).toEqual([0, 0]);
    expect([upper.quiesceCount, lower.quiesceCount]).toEqual([0, 0]);
  });

  test('DRAIN-3: begin waits for the requests of other backends above the node', async () => {
    await using upper = await open({
      driver: 'raw',
      file: slowDisk(undefined, { 'node-name': 'n' }),
    });
    await using lower = await BlockBackend.open('n');
    const order: string[] = [];
    const read = upper.pread(0, sector).then(() => order.push('read'));
    await lower.drainBegin();
    order.push('quiet');
    expect(order).toEqual(['read', 'quiet']);
    expect(upper.inFlight).toBe(0);
    expect(upper.root?.info().inFlight).toBe(0);
    lower.drainEnd();
    await read;
  });

  test('DRAIN-5: requests resume after as many ends as begins', async () => {
    await using blk = await open();
    await Promise.all([blk.drainBegin(), blk.drainBegin(), blk.drainBegin()]);
    expect([blk.quiesceCount, ...nodeQuiesce(blk)]).toEqual([3, 3]);
    const read = blk.pread(0, sector);
    for (const left of [2, 1]) {
      blk.drainEnd();
      expect([blk.quiesceCount, ...nodeQuiesce(blk)]).toEqual([left, left]);
      expect(await isSettled(read)).toBe(false);
      await until(() => blk.parked === 1 && blk.inFlight === 0);
    }
    blk.drainEnd();
    expect(await read).toBe(512);
  });

  test('DRAIN-5: ending more than was begun is a usage error and changes nothing', async () => {
    await using blk = await open();
    expect(() => blk.drainEnd()).toThrow(BlockUsageError);
    const section = await blk.drained();
    // Sections of drained() end by themselves only.
    expect(() => blk.drainEnd()).toThrow(expect.objectContaining({ code: 'ERR_BLOCK_USAGE' }));
    expect(blk.quiesceCount).toBe(1);
    section.end();
    expect(() => section.end()).toThrow(BlockUsageError);
    expect([blk.quiesceCount, ...nodeQuiesce(blk)]).toEqual([0, 0]);
    expect(await blk.pread(0, sector)).toBe(512);
  });

  test('DRAIN-5: leaving the scope of `await using` ends a section that has not ended', async () => {
    await using blk = await open();
    {
      await using section = await blk.drained();
      expect(blk.quiesceCount).toBe(1);
      expect(section.ended).toBe(false);
    }
    expect(blk.quiesceCount).toBe(0);
    {
      await using section = await blk.drained();
      section.end();
    }
    expect(blk.quiesceCount).toBe(0);
  });

  test('DRAIN-13: drain-all adds one to every node and backend, however many ways lead there', async () => {
    await using blk = await open({ driver: 'raw', file: fastDisk({ 'node-name': 'shared' }) });
    await using second = await BlockBackend.open('shared');
    await using third = await BlockBackend.open({ driver: 'raw', file: 'shared' });
    await using empty = new BlockBackend({ context: context() });
    const all = [blk, second, third, empty];
    const section = await drainedAll();
    expect(all.map((each) => each.quiesceCount)).toEqual([1, 1, 1, 1]);
    expect([nodeQuiesce(blk), nodeQuiesce(third)]).toEqual([
      [1, 1],
      [1, 1],
    ]);
    const inner = await drainedAll();
    expect(all.map((each) => each.quiesceCount)).toEqual([2, 2, 2, 2]);
    expect(nodeQuiesce(third)).toEqual([2, 2]);
    inner.end();
    section.end();
    expect(all.map((each) => each.quiesceCount)).toEqual([0, 0, 0, 0]);
    expect(nodeQuiesce(third)).toEqual([0, 0]);
  });

  test('DRAIN-14: nodes and backends that are made in a drain-all start drained', async () => {
    const section = await drainedAll();
    await using empty = new BlockBackend({ context: context() });
    expect(empty.quiesceCount).toBe(1);
    await using blk = await open({ driver: 'raw', file: fastDisk() });
    expect([empty.quiesceCount, blk.quiesceCount, ...nodeQuiesce(blk)]).toEqual([1, 1, 1, 1]);
    const results = [blk.pread(0, sector), empty.flush()];
    await until(() => blk.parked === 1 && empty.parked === 1);
    section.end();
    expect([empty.quiesceCount, blk.quiesceCount, ...nodeQuiesce(blk)]).toEqual([0, 0, 0, 0]);
    expect(await results[0]).toBe(512);
    await expect(results[1]).rejects.toMatchObject({ code: 'ENOMEDIUM' });
  });

  test('DRAIN-15: draining a backend without a medium waits for its requests', async () => {
    await using blk = new BlockBackend({ context: context() });
    const results: number[] = [];
    blk.aio.flush((_error, result) => results.push(result));
    blk.aio.pread(0, sector, (_error, result) => results.push(result));
    expect(blk.inFlight).toBe(2);
    expect(results).toEqual([]);
    await blk.drainBegin();
    expect(results).toEqual([-123, -123]);
    expect(blk.inFlight).toBe(0);
    blk.drainEnd();
  });

  test('DRAIN-17: when begin resolves, every earlier callback and promise has been told', async () => {
    await using blk = await open(slowDisk());
    let told = 0;
    for (let index = 0; index < 20; index += 1) {
      blk.aio.pread(0, sector, () => {
        told += 1;
      });
      void blk.pread(512, sector).then(() => {
        told += 1;
      });
    }
    expect(blk.inFlight).toBe(40);
    await blk.drainBegin();
    expect(told).toBe(40);
    expect(blk.inFlight).toBe(0);
    blk.drainEnd();
  });

  test('DRAIN-41: a drain does not flush', async () => {
    const filename = join(folder, 'drain-41.img');
    writeFileSync(filename, Buffer.alloc(4096));
    await using blk = await open(rawOptions(filename));
    await blk.pwrite(0, Buffer.alloc(4096, 1));
    const flushes = context().info().submitted.fdatasync;
    const section = await blk.drained();
    section.end();
    await turn();
    expect(context().info().submitted.fdatasync).toBe(flushes);
    await blk.flush();
    expect(context().info().submitted.fdatasync).toBe(flushes + 1);
  });
});
