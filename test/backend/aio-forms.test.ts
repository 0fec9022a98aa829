import { BlockBackend } from '../../lib/index.js';
import { program } from '../support/program.js';

const READ_ZEROES = { driver: 'null-co', 'read-zeroes': true };

describe('callback forms', () => {
  test('AIO-1: the callback never runs before the call returned', async () => {
    await using blk = await BlockBackend.open(READ_ZEROES);
    await using empty = new BlockBackend();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      const note = (error: Error | null, result: number) => {
        order.push(`${(error as { code?: string } | null)?.code} ${result}`);
        if (order.length === 4) resolve();
      };
      blk.aio.pread(0, Buffer.alloc(512), note);
      empty.aio.flush(note);
      blk.aio.pread('x' as never, Buffer.alloc(512), note);
      order.push('returned');
    });
    expect(order[0]).toBe('returned');
    expect(order.slice(1).sort()).toEqual([
      'ENOMEDIUM -123',
      'ERR_INVALID_ARG_TYPE -22',
      'undefined 512',
    ]);
  });

  test('AIO-3: flush on an empty backend, then a drain: the callback got ENOMEDIUM', async () => {
    await using empty = new BlockBackend();
    let result: number | undefined;
    empty.aio.flush((_error, errno) => {
      result = errno;
    });
    expect(result).toBeUndefined();
    await using _section = await empty.drained();
    expect(result).toBe(-123);
  });

  test('AIO-5, AIO-6: in-flight drops after a normal callback and before an aborted one', async () => {
    await using blk = await BlockBackend.open(READ_ZEROES);
    const seen = await new Promise<number[]>((resolve) => {
      const counts: number[] = [];
      const note = () => {
        counts.push(blk.inFlight);
        if (counts.length === 2) resolve(counts);
      };
      blk.aio.pread(0, Buffer.alloc(512), () => {
        note();
        blk.aio.abortRequest(-5, note);
      });
    });
    // At the second callback the first request may count or not: it ended in an earlier batch.
    expect(seen[0]).toBe(1);
    expect(seen[1]).toBe(0);
    await using _section = await blk.drained();
    expect(blk.inFlight).toBe(0);
  });

  test('AIO-7: abort-request works without a medium and with any result', async () => {
    await using empty = new BlockBackend();
    expect(await empty.abortRequest(0)).toBe(0);
    expect(await empty.abortRequest(17)).toBe(17);
    await expect(empty.abortRequest(-5)).rejects.toMatchObject({ code: 'EIO' });
  });

  test('AIO-8, AIO-9: cancelling waits for the true result; its async form does nothing', async () => {
    await using blk = await BlockBackend.open({ ...READ_ZEROES, driver: 'null-aio' });
    const results: (number | string)[] = [];
    const request = blk.aio.pread(0, Buffer.alloc(512), (_error, result) => results.push(result));
    blk.aio.cancelAsync(request);
    await blk.aio.cancel(request);
    results.push('cancelled');
    await blk.aio.cancel(request);
    expect(results).toEqual([512, 'cancelled']);
    await using other = new BlockBackend();
    const theirs = blk.aio.flush(() => {});
    await expect(other.aio.cancel(theirs)).rejects.toMatchObject({ code: 'ERR_BLOCK_USAGE' });
  });

  test('AIO-11: a callback may submit, and close the backend', async () => {
    const blk = await BlockBackend.open(READ_ZEROES);
    const results: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const again = (_error: Error | null, result: number) => {
        results.push(result);
        if (results.length < 3) blk.aio.pread(0, Buffer.alloc(results.length), again);
        else blk.close().then(resolve, reject);
      };
      blk.aio.pread(0, Buffer.alloc(0), again);
    });
    expect(results).toEqual([0, 1, 2]);
  });

  test('a callback that throws disturbs nobody', async () => {
    const seen = await program(`
      const { BlockBackend } = require('block-backend');
      const seen = { thrown: [], results: [] };
      process.on('uncaughtException', (error) => seen.thrown.push(error.message));
      BlockBackend.open({ driver: 'null-co' }).then(async (blk) => {
        for (const index of [0, 1, 2]) {
          blk.aio.pread(0, Buffer.alloc(8), (_error, result) => {
            seen.results.push(result);
            throw new Error('thrown ' + index);
          });
        }
        await blk.flush();
        await blk.close();
        setImmediate(() => console.log(JSON.stringify(seen)));
      });
    `);
    expect(seen).toEqual({ thrown: ['thrown 0', 'thrown 1', 'thrown 2'], results: [8, 8, 8] });
  });
});
