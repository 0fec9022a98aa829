// Requests that come in a drained section: which wait, in which order they go on, and what becomes
// of them when the backend goes first.
import { closeSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend, type BlockError } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { isSettled, until } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);
const BLKFLSBUF = 0x1261;

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk()) => BlockBackend.open(options, { context: context() });

  test('DRAIN-22: every kind of request waits before any check and before it counts', async () => {
    await using blk = await open();
    const end = 1 << 20;
    const quiet = blk.drainBegin();
    const codes: (string | number)[] = [];
    const submitted = [
      blk.pread(end, sector),
      blk.pwrite(-512, sector),
      blk.preadv(0, [sector, sector]),
      blk.pwritev(0, [sector, sector]),
      blk.pwriteZeroes(end, 1),
      blk.pdiscard(end, 1),
      blk.flush(),
      blk.ioctl(BLKFLSBUF),
    ].map((promise) =>
      promise.then(
        (value) => codes.push(value),
        (error: NodeJS.ErrnoException) => codes.push(error.code ?? ''),
      ),
    );
    await until(() => blk.parked === 8);
    await until(() => blk.inFlight === 0);
    // They do not keep the drain waiting.
    await quiet;
    expect(codes).toEqual([]);
    blk.drainEnd();
    await Promise.all(submitted);
    expect(codes).toEqual(['EIO', 'EIO', 1024, 1024, 'EIO', 'EIO', 0, 'ENOTSUP']);
    expect([blk.parked, blk.inFlight]).toEqual([0, 0]);
  });

  test('DRAIN-23: the last end starts the queue in order, ahead of what is submitted later', async () => {
    await using blk = await open(slowDisk(0));
    await blk.drainBegin();
    const order: number[] = [];
    for (let index = 0; index < 50; index += 1) {
      blk.aio.pread(index * 512, sector, () => order.push(index));
    }
    blk.drainEnd();
    blk.aio.pread(0, sector, () => order.push(50));
    await blk.pread(0, sector);
    expect(order).toEqual(Array.from({ length: 51 }, (_, index) => index));
  });

  test('DRAIN-23: an end that is not the last starts nothing', async () => {
    await using blk = await open();
    await Promise.all([blk.drainBegin(), blk.drainBegin()]);
    const read = blk.pread(0, sector);
    blk.drainEnd();
    expect(await isSettled(read)).toBe(false);
    blk.drainEnd();
    expect(await read).toBe(512);
  });

  test('DRAIN-24: a truncate, a length query and an aborted request do not wait', async () => {
    const filename = join(folder, 'drain-24.img');
    closeSync(openSync(filename, 'w'));
    truncateSync(filename, 4096);
    await using blk = await BlockBackend.open(rawOptions(filename), {
      context: context(),
      resize: true,
    });
    await using section = await blk.drained();
    expect(await blk.truncate(8192)).toBe(0);
    expect(await blk.getLength()).toBe(8192);
    const aborted = new Promise((resolve) => {
      blk.aio.abortRequest(-5, (_error, result) => resolve(result));
    });
    expect(await aborted).toBe(-5);
    expect(section.ended).toBe(false);
    expect([blk.parked, blk.quiesceCount]).toEqual([0, 1]);
  });

  test('DRAIN-24: a copy and vmstate do not wait either', async () => {
    const options = { driver: 'x-probe', size: 65536, vmstate: true };
    await using blk = await open(options);
    await using other = await open(options);
    await using _section = await blk.drained();
    expect(await blk.saveVmstate(0, sector)).toBe(512);
    expect(await blk.loadVmstate(0, Buffer.alloc(512))).toBe(512);
    const copied = blk.copyRange(0, other, 0, 512).catch((error: BlockError) => error.code);
    expect(['ENOTSUP', 0]).toContain(await copied);
    expect([blk.parked, other.parked, blk.quiesceCount]).toEqual([0, 0, 1]);
  });

  test('DRAIN-21: with queueing off, requests of a section are not held back, as in QEMU 4.1', async () => {
    await using blk = await open();
    blk.requestQueueing = false;
    await using _section = await blk.drained();
    expect(await blk.pread(0, sector)).toBe(512);
    expect(await blk.pwrite(0, sector)).toBe(512);
    expect(await blk.pwriteZeroes(0, 512)).toBe(0);
    expect(await blk.pdiscard(0, 512)).toBe(0);
    expect(await blk.flush()).toBe(0);
    const late = await blk.pread(1 << 20, sector).catch((error: BlockError) => error.code);
    expect([late, blk.parked, blk.inFlight, blk.quiesceCount]).toEqual(['EIO', 0, 0, 1]);
  });

  test('DRAIN-25: without queueing requests run in the section, which waits for them', async () => {
    await using blk = await open(slowDisk());
    blk.requestQueueing = false;
    await blk.drainBegin();
    expect(await blk.pread(0, sector)).toBe(512);
    const order: string[] = [];
    const write = blk.pwrite(0, sector).then(() => order.push('write'));
    await blk.drainBegin().then(() => order.push('quiet'));
    await write;
    expect(order).toEqual(['write', 'quiet']);
    expect([blk.parked, blk.quiesceCount]).toEqual([0, 2]);
    blk.requestQueueing = true;
    const read = blk.pread(0, sector);
    await until(() => blk.parked === 1);
    blk.drainEnd();
    blk.drainEnd();
    expect(await read).toBe(512);
  });

  test('DRAIN-26: a request that waited is judged by what it finds after the section', async () => {
    const filename = join(folder, 'drain-26.img');
    closeSync(openSync(filename, 'w'));
    truncateSync(filename, 8192);
    await using blk = await BlockBackend.open(rawOptions(filename), {
      context: context(),
      resize: true,
    });
    await blk.drainBegin();
    const beyond = blk.pread(8192, Buffer.alloc(4096));
    const inside = blk.pread(0, Buffer.alloc(4096));
    await until(() => blk.parked === 2);
    await blk.truncate(16384);
    blk.drainEnd();
    expect(await Promise.all([beyond, inside])).toEqual([4096, 4096]);
    await blk.drainBegin();
    const cut = blk.pread(8192, Buffer.alloc(4096));
    await until(() => blk.parked === 1);
    await blk.truncate(4096);
    blk.drainEnd();
    await expect(cut).rejects.toMatchObject({ code: 'EIO', offset: 8192, length: 4096 });
  });

  test('DRAIN-27: with queueing, what a callback submits during the wait is parked', async () => {
    await using blk = await open(slowDisk());
    let second: Promise<number> | undefined;
    blk.aio.pread(0, sector, () => {
      second = blk.pread(512, sector);
    });
    await blk.drainBegin();
    await until(() => blk.parked === 1);
    expect(second).toBeDefined();
    expect(await isSettled(second as Promise<number>)).toBe(false);
    blk.drainEnd();
    expect(await second).toBe(512);
  });

  test('DRAIN-27: without queueing it extends the wait until all is quiet', async () => {
    await using blk = await open(slowDisk());
    blk.requestQueueing = false;
    let left = 5;
    const again = (): void => {
      left -= 1;
      if (left > 0) blk.aio.pread(left * 512, sector, again);
    };
    blk.aio.pread(0, sector, again);
    await blk.drainBegin();
    expect(left).toBe(0);
    blk.drainEnd();
  });

  test('DRAIN-17: a section begun right after an end waits for what the end lets go', async () => {
    await using blk = await open(slowDisk(0));
    for (let round = 0; round < 100; round += 1) {
      let told = 0;
      await blk.drainBegin();
      for (let index = 0; index < 3; index += 1) {
        blk.aio.pread(0, sector, () => {
          told += 1;
        });
      }
      if (round % 2 === 0) await until(() => blk.parked === 3 && blk.inFlight === 0);
      blk.drainEnd();
      await blk.drainBegin();
      expect(told).toBe(3);
      blk.drainEnd();
    }
  });

  test('NEW-21: a chain of reads does not hold up a drain that began in its middle', async () => {
    await using blk = await open(slowDisk(0));
    let done = 0;
    const finished = new Promise<void>((resolve) => {
      const next = (): void => {
        done += 1;
        if (done === 200) resolve();
        else blk.aio.pread(0, sector, next);
      };
      blk.aio.pread(0, sector, next);
    });
    for (let round = 0; round < 20 && done < 200; round += 1) {
      await blk.drainBegin();
      await until(() => blk.parked === (done < 200 ? 1 : 0) && blk.inFlight === 0);
      const seen = done;
      expect(await isSettled(finished)).toBe(seen === 200);
      expect(done).toBe(seen);
      blk.drainEnd();
    }
    await finished;
    expect(done).toBe(200);
  });

  test('NEW-20: begin and end as fast as possible lose no request', async () => {
    await using blk = await open(slowDisk(0));
    const results: Promise<number>[] = [];
    for (let round = 0; round < 300; round += 1) {
      results.push(blk.pread(0, sector), blk.pwrite(512, sector));
      const quiet = blk.drainBegin();
      results.push(blk.pread(1024, sector));
      if (round % 3 === 0) await quiet;
      results.push(blk.flush());
      blk.drainEnd();
      results.push(blk.pread(2048, sector));
      await quiet;
    }
    const values = await Promise.all(results);
    expect(values.filter((value) => value === 512)).toHaveLength(1200);
    expect(values.filter((value) => value === 0)).toHaveLength(300);
    expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([0, 0, 0]);
  });

  test('DRAIN-44: closing completes parked requests with ENOMEDIUM', async () => {
    for (let round = 0; round < 20; round += 1) {
      const blk = await open();
      const settled: (string | undefined)[] = [];
      // Nobody waits for the first of them: they may still be on their way when close() comes.
      void blk.drainBegin();
      const requests = Array.from({ length: 40 }, () =>
        blk.pread(0, sector).catch((error: NodeJS.ErrnoException) => settled.push(error.code)),
      );
      if (round % 2 === 0) await until(() => blk.parked === 40);
      await blk.close();
      expect(settled).toEqual(new Array(40).fill('ENOMEDIUM'));
      await Promise.all(requests);
      expect([blk.parked, blk.inFlight, blk.quiesceCount]).toEqual([0, 0, 0]);
      expect(blk.isClosed).toBe(true);
    }
  });

  test('ATT-8: close waits for what runs, with its callbacks, and later requests get ENOMEDIUM', async () => {
    const blk = await open(slowDisk());
    const order: string[] = [];
    blk.aio.pread(0, sector, (_error, result) => order.push(`read ${result}`));
    const closed = blk.close().then(() => order.push('closed'));
    const late = blk.pread(0, sector);
    await expect(late).rejects.toMatchObject({
      code: 'ENOMEDIUM',
      message: expect.stringContaining('the backend is closed'),
    });
    await closed;
    expect(order).toEqual(['read 512', 'closed']);
  });
});
