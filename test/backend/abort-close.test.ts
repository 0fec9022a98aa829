// Requests that are called off, and backends that go.
import { getEventListeners } from 'node:events';
import { AbortError, BlockBackend, BlockError, drainedAll } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { isSettled, until } from '../support/waiting.js';

const sector = Buffer.alloc(512);

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk()) => BlockBackend.open(options, { context: context() });

  test('AIO-9: a signal that is aborted already refuses the request, which never counts', async () => {
    await using blk = await open();
    const signal = AbortSignal.abort(new Error('too late'));
    const read = blk.pread(0, sector, { signal });
    expect(blk.inFlight).toBe(0);
    await expect(read).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: new Error('too late'),
    });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('AIO-9: aborting parked requests takes them out, the others keep their order', async () => {
    await using blk = await open(slowDisk(0));
    await blk.drainBegin();
    const controller = new AbortController();
    const order: string[] = [];
    const requests = Array.from({ length: 9 }, (_, index) => {
      const options = index % 3 === 1 ? { signal: controller.signal } : {};
      return blk.pread(index * 512, sector, options).then(
        () => order.push(`${index}`),
        (error) => order.push(`${index} ${(error as Error).name}`),
      );
    });
    await until(() => blk.parked === 9);
    controller.abort();
    await until(() => order.length === 3);
    expect(order.sort()).toEqual(['1 AbortError', '4 AbortError', '7 AbortError']);
    await until(() => blk.inFlight === 0);
    expect([blk.parked, blk.quiesceCount]).toEqual([6, 1]);
    blk.drainEnd();
    await Promise.all(requests);
    expect(order.slice(3)).toEqual(['0', '2', '3', '5', '6', '8']);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  test('AIO-8: a request that runs ends with its true result, aborted or not', async () => {
    await using blk = await open(slowDisk());
    const controller = new AbortController();
    const { signal } = controller;
    const read = blk.pread(0, sector, { signal });
    const bad = blk.pread(1 << 20, sector, { signal });
    expect(blk.inFlight).toBe(2);
    controller.abort();
    expect(await read).toBe(512);
    await expect(bad).rejects.toMatchObject({ code: 'EIO' });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('AIO-9: listeners go with their requests, however these end', async () => {
    await using blk = await open(slowDisk(0));
    const { signal } = new AbortController();
    const reads = [0, 1 << 20].map((offset) => blk.pread(offset, sector, { signal }));
    expect(getEventListeners(signal, 'abort')).not.toEqual([]);
    await Promise.allSettled(reads);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    // Used again for many more, it gathers none.
    for (let index = 0; index < 50; index += 1) await blk.pread(0, sector, { signal });
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  test('AIO-9: an abort after the end of its request concerns no later one in its place', async () => {
    await using blk = await open();
    const controller = new AbortController();
    const { signal } = controller;
    await blk.pread(0, sector, { signal });
    await blk.drainBegin();
    // Takes the slot of the finished request.
    const read = blk.pread(0, sector);
    await until(() => blk.parked === 1);
    controller.abort();
    expect(await isSettled(read)).toBe(false);
    blk.drainEnd();
    expect(await read).toBe(512);
  });

  test('AIO-9: an abort and the end of the section at the same moment: one or the other', async () => {
    await using blk = await open(slowDisk(0));
    for (let round = 0; round < 100; round += 1) {
      await blk.drainBegin();
      const controller = new AbortController();
      const read = blk.pread(0, sector, { signal: controller.signal });
      if (round % 2 === 0) {
        controller.abort();
        blk.drainEnd();
        await expect(read).rejects.toBeInstanceOf(AbortError);
      } else {
        blk.drainEnd();
        controller.abort();
        expect(await read).toBe(512);
      }
    }
    expect([blk.inFlight, blk.parked]).toEqual([0, 0]);
  });

  test('DRAIN-44: close gives parked requests ENOMEDIUM, waits for running ones', async () => {
    const blk = await open(slowDisk());
    const running = blk.pread(0, sector);
    const section = await blk.drained();
    const parked = [blk.pwrite(0, sector), blk.flush(), blk.ioctl(0x1261)];
    const results = Promise.allSettled(parked);
    await blk.close();
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ENOMEDIUM' } });
    }
    expect(await running).toBe(512);
    // The section outlives the backend and ends as any other.
    section.end();
    expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([0, 0, 0]);
  });

  test('GRAPH-36: close waits for requests of all forms, and for all of their callbacks', async () => {
    const blk = await open(slowDisk());
    const order: string[] = [];
    blk.aio.pread(0, sector, () => order.push('callback'));
    void blk.pwrite(0, sector).then(() => order.push('promise'));
    blk.aio.abortRequest(-5, () => order.push('aborted'));
    await blk.close();
    expect(order.sort()).toEqual(['aborted', 'callback', 'promise']);
  });

  test('LC-6: closing twice, or while closing, is closing once', async () => {
    const blk = await open(slowDisk());
    const read = blk.pread(0, sector);
    const first = blk.close();
    const second = blk.close();
    expect(second).toBe(first);
    await Promise.all([first, second, blk[Symbol.asyncDispose]()]);
    expect(await read).toBe(512);
    await blk.close();
    expect([blk.isClosed, blk.root, blk.name]).toEqual([true, undefined, '']);
  });

  test('LC-6: close in a callback of the backend waits for that callback', async () => {
    const blk = await open(slowDisk(0));
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      blk.aio.pread(0, sector, () => {
        void blk.close().then(() => {
          order.push('closed');
          resolve();
        });
        order.push('callback returns');
      });
    });
    expect(order).toEqual(['callback returns', 'closed']);
  });

  test('LC-6: a closed backend refuses everything in one clear way, and reports nothing', async () => {
    const blk = await BlockBackend.open(fastDisk(), { context: context(), name: 'gone' });
    await blk.close();
    const refusal = {
      code: 'ENOMEDIUM',
      errno: -123,
      message: expect.stringMatching(/^\w+: the backend is closed \[ENOMEDIUM\]$/),
    };
    const requests = [
      blk.pread(0, sector),
      blk.pwritev(0, [sector]),
      blk.pwriteZeroes(0, 512),
      blk.pdiscard(0, 512),
      blk.flush(),
      blk.truncate(0),
      blk.ioctl(0x1261),
      blk.getLength(),
    ];
    for (const request of requests) await expect(request).rejects.toMatchObject(refusal);
    expect(() => blk.preadSync(0, sector)).toThrow(expect.objectContaining(refusal));
    expect(() => {
      blk.writeCache = false;
    }).toThrow(expect.objectContaining(refusal));
    expect(() => blk.setName('again')).toThrow(BlockError);
    const told = await new Promise((resolve) => {
      blk.aio.pread(0, sector, (error, result) => resolve({ error, result }));
    });
    expect(told).toMatchObject({ error: refusal, result: -123 });
    expect(BlockBackend.byName('gone')).toBeUndefined();
    expect(blk.info()).toMatchObject({ inFlight: 0, parked: 0, quiesceCount: 0, available: false });
    // Sections over nothing are quiet at once.
    await using section = await blk.drained();
    expect(section.ended).toBe(false);
    blk.setDeviceOps({});
    blk.setDeviceOps(undefined);
    blk.kickDrain();
  });

  test('DRAIN-14: closing in a drain-all leaves the section of the others alone', async () => {
    await using stays = await open(fastDisk({ 'node-name': 'stays' }));
    const goes = await BlockBackend.open({ driver: 'raw', file: 'stays' });
    const section = await drainedAll();
    const parked = stays.pread(0, sector);
    await goes.close();
    expect([stays.quiesceCount, stays.root?.info().quiesce]).toEqual([1, 1]);
    expect(await isSettled(parked)).toBe(false);
    section.end();
    expect(await parked).toBe(512);
    expect([stays.quiesceCount, stays.root?.info().quiesce]).toEqual([0, 0]);
  });

  test('LC-6: a backend on an empty medium closes as well', async () => {
    const blk = new BlockBackend({ context: context() });
    const flush = blk.flush();
    await expect(Promise.all([flush, blk.close()])).rejects.toMatchObject({ code: 'ENOMEDIUM' });
    await blk.close();
    expect(BlockBackend.all()).not.toContain(blk);
  });
});
