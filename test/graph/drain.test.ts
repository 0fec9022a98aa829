import { AioContext, BlockBackend, drainedAll } from '../../lib/index.js';

const NULL_SLOW = { driver: 'null-aio', 'latency-ns': 1_000_000 };

/** A backend on a node with 1 ms latency in virtual time. */
async function slow(): Promise<{ context: AioContext; blk: BlockBackend }> {
  const context = new AioContext({ home: 'virtual' });
  const opening = BlockBackend.open(NULL_SLOW, { context });
  return { context, blk: await opening };
}

const buffer = Buffer.alloc(512);

describe('drained sections', () => {
  test('DRAIN-17: a section is drained when earlier requests have called back', async () => {
    const { context, blk } = await slow();
    let done = 0;
    for (let index = 0; index < 3; index += 1) {
      blk.aio.pread(0, buffer, () => {
        done += 1;
      });
    }
    let drained = false;
    const begun = blk.drainBegin().then(() => {
      drained = true;
    });
    expect(blk.quiesceCount).toBe(1);
    await context.advance(999_999);
    expect([done, drained, blk.inFlight]).toEqual([0, false, 3]);
    await context.advance(1);
    await begun;
    expect([done, blk.inFlight]).toEqual([3, 0]);
    blk.drainEnd();
    await blk.close();
    await context.close();
  });

  test('DRAIN-22, DRAIN-23: requests of a section wait, uncounted, and start in order', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' });
    await blk.drainBegin();
    const order: number[] = [];
    const reads = [1, 2, 3].map((index) => blk.pread(0, buffer).then(() => order.push(index)));
    const zeroes = blk.pwriteZeroes(0, 512);
    const flush = blk.flush();
    expect([blk.parked, blk.inFlight]).toEqual([5, 0]);
    expect(() => blk.preadSync(0, buffer)).toThrow(
      expect.objectContaining({ code: 'EDEADLK', operation: 'pread' }),
    );
    blk.drainEnd();
    expect([blk.parked, blk.inFlight]).toEqual([0, 5]);
    await Promise.all([...reads, zeroes, flush]);
    expect(order).toEqual([1, 2, 3]);
  });

  test('DRAIN-5: sections nest; ending more than begun is refused', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' });
    const first = blk.drainBegin();
    const second = blk.drainBegin();
    expect(blk.quiesceCount).toBe(2);
    await Promise.all([first, second]);
    const read = blk.pread(0, buffer);
    blk.drainEnd();
    expect(blk.parked).toBe(1);
    blk.drainEnd();
    expect(await read).toBe(512);
    expect(() => blk.drainEnd()).toThrow(expect.objectContaining({ code: 'ERR_BLOCK_USAGE' }));
    expect(blk.quiesceCount).toBe(0);
  });

  test('DRAIN-2: a section goes up, never down', async () => {
    await using base = await BlockBackend.open({ driver: 'null-co', 'node-name': 'base' });
    await using top = await BlockBackend.open({ driver: 'raw', file: 'base' });
    const { root: baseNode } = base;
    const { root: topNode } = top;
    {
      await using _section = await top.drained();
      expect([topNode?.info().quiesce, baseNode?.info().quiesce]).toEqual([1, 0]);
      expect([top.quiesceCount, base.quiesceCount]).toEqual([1, 0]);
    }
    {
      await using _section = await base.drained();
      expect([topNode?.info().quiesce, baseNode?.info().quiesce]).toEqual([1, 1]);
      expect([top.quiesceCount, base.quiesceCount]).toEqual([1, 1]);
    }
    expect([topNode?.info().quiesce, baseNode?.info().quiesce]).toEqual([0, 0]);
  });

  test('DRAIN-13, AIO-4: drain-all is one section per node and waits for empty backends', async () => {
    await using base = await BlockBackend.open({ driver: 'null-co', 'node-name': 'b' });
    await using left = await BlockBackend.open({ driver: 'raw', file: 'b' });
    await using right = await BlockBackend.open({ driver: 'raw', file: 'b' });
    await using empty = new BlockBackend();
    let result = 0;
    empty.aio.flush((_error, errno) => {
      result = errno;
    });
    const section = await drainedAll();
    expect(result).toBe(-123);
    for (const blk of [base, left, right]) expect(blk.root?.info().quiesce).toBe(1);
    // A node that comes meanwhile starts inside (DRAIN-14).
    await using late = await BlockBackend.open({ driver: 'null-co' });
    expect([late.root?.info().quiesce, late.quiesceCount]).toEqual([1, 1]);
    section.end();
    for (const blk of [base, left, right, late]) expect(blk.root?.info().quiesce).toBe(0);
    expect(late.quiesceCount).toBe(0);
  });

  test('ATT-5, DRAIN-35: a backend joins and leaves the sections of its node', async () => {
    await using base = await BlockBackend.open({ driver: 'null-co', 'node-name': 'joined' });
    await base.drainBegin();
    await base.drainBegin();
    const other = await BlockBackend.open('joined');
    expect(other.quiesceCount).toBe(2);
    const read = other.pread(0, buffer);
    expect(other.parked).toBe(1);
    await other.close();
    await expect(read).rejects.toMatchObject({ code: 'ENOMEDIUM' });
    base.drainEnd();
    base.drainEnd();
    expect(base.root?.info().quiesce).toBe(0);
  });

  test('DRAIN-3, DRAIN-18: the device is told once and may keep the section waiting', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' });
    const calls: string[] = [];
    let busy = true;
    blk.setDeviceOps({
      drainedBegin: () => calls.push('begin'),
      drainedEnd: () => calls.push('end'),
      drainedPoll: () => busy,
    });
    let quiet = false;
    const section = blk.drained().then((drained) => {
      quiet = true;
      return drained;
    });
    const inner = blk.drainBegin();
    expect(calls).toEqual(['begin']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(quiet).toBe(false);
    busy = false;
    blk.kickDrain();
    (await section).end();
    await inner;
    expect(calls).toEqual(['begin']);
    blk.drainEnd();
    expect(calls).toEqual(['begin', 'end']);
  });

  test('DRAIN-25: without queueing, requests of a section run and are waited for', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-aio' });
    blk.requestQueueing = false;
    const drained = blk.drainBegin();
    expect(await blk.pread(0, buffer)).toBe(512);
    await drained;
    blk.drainEnd();
  });

  test('DRAIN-44: closing gives waiting requests ENOMEDIUM', async () => {
    const blk = await BlockBackend.open({ driver: 'null-co' });
    const section = await blk.drained();
    const read = blk.pread(0, buffer);
    const closed = blk.close();
    await expect(read).rejects.toMatchObject({ code: 'ENOMEDIUM' });
    await expect(blk.pread(0, buffer)).rejects.toMatchObject({ code: 'ENOMEDIUM' });
    expect(() => blk.preadSync(0, buffer)).toThrow(expect.objectContaining({ code: 'ENOMEDIUM' }));
    await closed;
    section.end();
    expect(blk.inFlight).toBe(0);
  });

  test('GRAPH-36: closing waits for requests under way', async () => {
    const { context, blk } = await slow();
    const read = blk.pread(0, buffer);
    const closed = blk.close();
    await context.advance(1_000_000);
    expect(await read).toBe(512);
    await closed;
    await context.close();
  });

  test('an aborted signal takes a waiting request out, and no running one', async () => {
    const { context, blk } = await slow();
    const controller = new AbortController();
    const { signal } = controller;
    const running = blk.pread(0, buffer, { signal });
    const begun = blk.drainBegin();
    const waiting = blk.pread(0, buffer, { signal });
    const other = blk.pread(0, buffer);
    expect(blk.parked).toBe(2);
    controller.abort('enough');
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    await expect(blk.flush({ signal })).rejects.toMatchObject({ cause: 'enough' });
    await context.advance(1_000_000);
    expect(await running).toBe(512);
    await begun;
    expect(blk.parked).toBe(1);
    blk.drainEnd();
    await context.advance(1_000_000);
    expect(await other).toBe(512);
    await blk.close();
    await context.close();
  });

  test('one signal for many requests has one listener, and none when they are done', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' });
    const { signal } = new AbortController();
    const added = jest.spyOn(signal, 'addEventListener');
    const removed = jest.spyOn(signal, 'removeEventListener');
    await Promise.all(Array.from({ length: 1000 }, () => blk.pread(0, buffer, { signal })));
    expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([1, 1]);
  });
});
