// Throttle groups in real time, with members in several threads.
import { AioContext, BlockBackend, ThrottleGroup } from '../../lib/index.js';
import { type Combination, combinations } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { turn, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);

async function inContext(
  combination: Combination,
  body: (context: AioContext) => Promise<void>,
): Promise<void> {
  const context = new AioContext(combination);
  await body(context);
  await context.close();
}

afterEach(() => {
  expect(ThrottleGroup.all().map(({ name }) => name)).toEqual([]);
});

describe.each(combinations)('on $aio in $home', (combination) => {
  test('TG-14: who leaves has nothing left that was let go', async () => {
    await inContext(combination, async (context) => {
      const blk = await BlockBackend.open(slowDisk(100_000), { context });
      let done = 0;
      for (let round = 1; round <= 20; round += 1) {
        blk.ioLimitsEnable('g');
        blk.setIoLimits({ 'iops-total': 2000 });
        for (let count = 0; count < 300; count += 1) {
          blk.aio.pread(0, sector, (error) => {
            expect(error).toBeNull();
            done += 1;
          });
        }
        await turn();
        await blk.ioLimitsDisable();
        expect(done).toBe(round * 300);
      }
      await blk.close();
    });
  });

  test('TG-25: a member that leaves while its timer is on the way harms nobody', async () => {
    const seed = chooseSeed();
    console.log(`TG-25 seed ${seed}`);
    const below = randomNumbers(seed);
    const other = new AioContext({ home: combination.home === 'node' ? 'iothread' : 'node' });
    await inContext(combination, async (context) => {
      const here = await BlockBackend.open(fastDisk(), { context });
      const there = await BlockBackend.open(fastDisk(), { context: other });
      there.ioLimitsEnable('g');
      const promises: Promise<number>[] = [];
      for (let round = 0; round < 100; round += 1) {
        here.ioLimitsEnable('g');
        there.setIoLimits({ 'iops-total': 5000 });
        for (let count = below(40); count > 0; count -= 1) {
          promises.push((below(2) === 0 ? here : there).pread(0, sector));
        }
        for (let turns = below(3); turns > 0; turns -= 1) await turn();
        await here.ioLimitsDisable();
      }
      const results = await Promise.all(promises);
      expect(results.every((bytes) => bytes === 512)).toBe(true);
      await here.close();
      await there.close();
    });
    await other.close();
  });

  test('TG-15: a member that moves takes no timer along that others wait for', async () => {
    const other = new AioContext({ home: combination.home === 'node' ? 'iothread' : 'node' });
    await inContext(combination, async (context) => {
      const first = await BlockBackend.open(fastDisk(), { context });
      const second = await BlockBackend.open(fastDisk(), { context });
      for (const blk of [first, second]) blk.ioLimitsEnable('g');
      first.setIoLimits({ 'iops-total': 500 });
      const promises: Promise<number>[] = [];
      for (let round = 0; round < 10; round += 1) {
        for (let count = 0; count < 6; count += 1) {
          promises.push(first.pread(0, sector), second.pread(0, sector));
        }
        await first.setContext(round % 2 === 0 ? other : context);
      }
      expect(await Promise.all(promises)).toHaveLength(120);
      expect(first.throttleGroup?.info()).toMatchObject({
        members: 2,
        waiting: { read: 0, write: 0 },
      });
      await first.close();
      await second.close();
    });
    await other.close();
  });

  test('throttle: limits that are lifted let all go at once', async () => {
    await inContext(combination, async (context) => {
      const blk = await BlockBackend.open(fastDisk(), { context });
      blk.ioLimitsEnable('g');
      blk.setIoLimits({ 'iops-total': 1 });
      const reads = Array.from({ length: 10 }, () => blk.pread(0, sector));
      await until(() => blk.throttleInfo().read.waiting > 0);
      blk.setIoLimits({});
      await Promise.all(reads);
      await blk.close();
    });
  });

  test('throttle: a synchronous read waits its turn', async () => {
    await inContext(combination, async (context) => {
      const blk = await BlockBackend.open(fastDisk(), { context });
      blk.ioLimitsEnable('g');
      blk.setIoLimits({ 'iops-total': 100 });
      for (let count = 0; count < 15; count += 1) expect(blk.preadSync(0, sector)).toBe(512);
      expect(blk.throttleInfo().read.throttled).toBeGreaterThan(0);
      await blk.close();
    });
  });

  test('throttle: what leaked while nobody asked for anything counts', async () => {
    await inContext(combination, async (context) => {
      const blk = await BlockBackend.open(fastDisk(), { context });
      blk.ioLimitsEnable('g');
      blk.setIoLimits({ 'iops-total': 20 });
      for (let round = 0; round < 3; round += 1) {
        // Three fill the bucket of two, which is empty again after 150 ms.
        await Promise.all([1, 2, 3].map(() => blk.pread(0, sector)));
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 160);
      }
      expect(blk.throttleInfo().read.throttled).toBe(0);
      await blk.close();
    });
  });
});
