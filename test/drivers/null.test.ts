import { AioContext, BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf, submittedBy } from '../support/requests.js';

describe.each(['null-co', 'null-aio'])('%s', (driver) => {
  onEveryEngineAndHome((context) => {
    const open = (more = {}) =>
      BlockBackend.open({ driver, ...more }, { context: context(), resize: true });

    test('TDRV-1: 1 GiB unless told otherwise', async () => {
      await using blk = await open();
      expect(await blk.getLength()).toBe(1073741824);
      await using small = await open({ size: 65536 });
      expect(await small.getLength()).toBe(65536);
      expect(await codeOf(open({ 'latency-ns': -1 }))).toBe('EINVAL');
    });

    test('TDRV-1: reads leave the buffer alone, and with read-zeroes they zero it', async () => {
      await using blk = await open();
      for (const buffer of [Buffer.alloc(4096, 9), blk.allocate(4096).fill(9)]) {
        expect(await blk.pread(512, buffer)).toBe(4096);
        expect(buffer.equals(Buffer.alloc(4096, 9))).toBe(true);
      }
      await using zeroes = await open({ 'read-zeroes': true });
      for (const buffer of [Buffer.alloc(4096, 9), zeroes.allocate(4096).fill(9)]) {
        expect(await zeroes.pread(512, buffer)).toBe(4096);
        expect(buffer.equals(Buffer.alloc(4096))).toBe(true);
      }
    });

    test('TDRV-1: writes succeed, durable or not; there is no truncate, discard or zero-write', async () => {
      await using blk = await open({ discard: 'unmap' });
      const submitted = await submittedBy(context(), async () => {
        expect(await blk.pwrite(0, Buffer.alloc(4096), { fua: true })).toBe(4096);
        expect(await blk.flush()).toBe(0);
        expect(await codeOf(blk.truncate(4096))).toBe('ENOTSUP');
        expect(await codeOf(blk.pwriteZeroes(0, 4096, { noFallback: true }))).toBe('ENOTSUP');
        expect(await blk.pdiscard(0, 4096)).toBe(0);
      });
      expect(submitted).toEqual({ read: 0, write: 0, fdatasync: 0, call: 0 });
    });

    test('TDRV-2: it answers, with a latency or without', async () => {
      await using blk = await open({ 'latency-ns': 1000 });
      expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
      expect(blk.pwriteSync(0, Buffer.alloc(512))).toBe(512);
    });
  });

  test('TDRV-2: latency-ns is exact in virtual time', async () => {
    await using context = new AioContext({ home: 'virtual' });
    await using blk = await BlockBackend.open({ driver, 'latency-ns': 123_456 }, { context });
    const finished: number[] = [];
    blk.aio.pread(0, Buffer.alloc(512), (_, result) => finished.push(result));
    await context.advance(123_455);
    expect(finished).toEqual([]);
    await context.advance(1);
    expect(finished).toEqual([512]);
  });
});
