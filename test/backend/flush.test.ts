import { AioContext, BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, inVirtualTime, makeImage, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const data = Buffer.alloc(4096, 1);

onEveryEngineAndHome((context) => {
  const syncs = async (work: () => Promise<unknown>) =>
    (await submittedBy(context(), work)).fdatasync;

  test('FLUSH-1: without a medium ENOMEDIUM, on a read-only node 0', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.flush())).toBe('ENOMEDIUM');
    await empty.close();
    await using sealed = await BlockBackend.open(
      { ...rawOptions(makeImage(folder, 'sealed.img', 65536)), 'read-only': true },
      { context: context() },
    );
    expect(await syncs(() => sealed.flush())).toBe(0);
  });

  test('FLUSH-3: two flushes after a write are one fdatasync', async () => {
    await using blk = await BlockBackend.open(rawOptions(makeImage(folder, 'two.img', 65536)), {
      context: context(),
    });
    expect(await syncs(() => blk.flush())).toBe(0);
    await blk.pwrite(0, data);
    expect(
      await syncs(async () => {
        await blk.flush();
        await blk.flush();
      }),
    ).toBe(1);
    await blk.pwriteZeroes(0, 4096);
    expect(await syncs(() => Promise.all([blk.flush(), blk.flush(), blk.flush()]))).toBe(1);
  });

  // The kernel has no fdatasync for this device: EINVAL.
  test('FLUSH-8: after one failed fdatasync every flush fails, without asking the kernel', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'host_device', filename: '/dev/null' },
      { context: context(), resize: true },
    );
    blk.allowWriteBeyondEnd = true;
    expect(await blk.pwrite(0, data)).toBe(4096);
    expect(
      await submittedBy(context(), async () => {
        expect(await codeOf(blk.flush())).toBe('EINVAL');
        expect(await codeOf(blk.flush())).toBe('EINVAL');
        await blk.pwrite(0, data);
        expect(await codeOf(blk.flush())).toBe('EINVAL');
      }),
    ).toMatchObject({ fdatasync: 1 });
  });

  test('FLUSH-10: a flush is in flight from its call on', async () => {
    await using blk = await BlockBackend.open(rawOptions(makeImage(folder, 'count.img', 65536)), {
      context: context(),
    });
    await blk.pwrite(0, data);
    const flushed = blk.flush();
    expect(blk.inFlight).toBe(1);
    await flushed;
    expect(blk.inFlight).toBe(0);
  });

  test('FLUSH-11: a driver without any flush succeeds', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'raw', file: { driver: 'null-co' } },
      { context: context() },
    );
    await blk.pwrite(0, data);
    expect(await blk.flush()).toBe(0);
  });
});

describe('in virtual time', () => {
  test.each([
    { direct: false, syncs: 1 },
    { direct: true, syncs: 3 },
  ])(
    'FLUSH-8: a failure is sticky unless O_DIRECT is used (direct: $direct)',
    async ({ direct, syncs }) => {
      const sim = { failPerMillion: 1_000_000, failErrno: 28, minLatency: 1000, maxLatency: 5000 };
      await using context = new AioContext({ home: 'virtual', sim });
      const filename = makeImage(folder, 'failing.img', 65536);
      const blk = await BlockBackend.open(
        { driver: 'file', filename, cache: { direct } },
        { context },
      );
      expect(await codeOf(inVirtualTime(context, blk.pwrite(0, data)))).toBe('ENOSPC');
      const submitted = await submittedBy(context, async () => {
        for (let index = 0; index < 3; index += 1) {
          expect(await codeOf(inVirtualTime(context, blk.flush()))).toBe('ENOSPC');
        }
      });
      expect(submitted.fdatasync).toBe(syncs);
      // Closing flushes once more, and nobody else moves this clock.
      await inVirtualTime(context, blk.close());
    },
  );

  test('FLUSH-10: a drained section waits for a flush', async () => {
    const sim = { minLatency: 5000, maxLatency: 5000 };
    await using context = new AioContext({ home: 'virtual', sim });
    const filename = makeImage(folder, 'drained.img', 65536);
    await using blk = await BlockBackend.open({ driver: 'file', filename }, { context });
    await inVirtualTime(context, blk.pwrite(0, data));
    const flushed = blk.flush();
    let quiet = false;
    const section = blk.drained().then((begun) => {
      quiet = true;
      return begun;
    });
    await context.advance(4999);
    expect([quiet, blk.inFlight]).toEqual([false, 1]);
    await context.advance(1);
    expect(await flushed).toBe(0);
    (await section).end();
    expect([quiet, blk.inFlight]).toEqual([true, 0]);
    await inVirtualTime(context, blk.close());
  });
});
