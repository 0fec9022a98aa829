import { readFileSync, statSync } from 'node:fs';
import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const BUFFERED = { cache: { direct: false } } as const;

onEveryEngineAndHome((context) => {
  const open = (filename: string, more = {}) =>
    BlockBackend.open(rawOptions(filename, more), { context: context() });

  test('RW-1: reads and writes give their byte count, all else gives 0', async () => {
    await using blk = await BlockBackend.open(
      { ...rawOptions(makeImage(folder, 'count.img', 65536)), discard: 'unmap' },
      { context: context(), resize: true },
    );
    const buffer = Buffer.alloc(1000, 3);
    expect(await blk.pwrite(100, buffer)).toBe(1000);
    expect(await blk.pread(100, buffer)).toBe(1000);
    expect(await blk.pwritev(5, [buffer, buffer.subarray(7)])).toBe(1993);
    expect(await blk.preadv(5, [buffer, buffer.subarray(7)])).toBe(1993);
    expect(await blk.pwriteZeroes(0, 4096)).toBe(0);
    expect(await blk.pdiscard(0, 4096)).toBe(0);
    expect(await blk.flush()).toBe(0);
    expect(await blk.truncate(131072)).toBe(0);
    expect(blk.pwriteSync(100, buffer)).toBe(1000);
    expect(blk.preadSync(100, buffer)).toBe(1000);
    expect(blk.pwriteZeroesSync(0, 4096)).toBe(0);
    expect(blk.pdiscardSync(0, 4096)).toBe(0);
    expect(blk.flushSync()).toBe(0);
    expect(blk.truncateSync(65536)).toBe(0);
  });

  test('RW-2: what a check refuses never reaches the engine', async () => {
    await using blk = await open(makeImage(folder, 'order.img', 65536));
    const submitted = await submittedBy(context(), async () => {
      expect(await codeOf(blk.pread(65536, new Uint8Array(512)))).toBe('EIO');
      expect(await codeOf(blk.pwrite(-1, new Uint8Array(512)))).toBe('EIO');
    });
    expect(submitted).toEqual({ read: 0, write: 0, fdatasync: 0, call: 0 });
  });

  test('RW-4: the write cache counts when a held-back write is issued', async () => {
    await using blk = await open(makeImage(folder, 'sampled.img', 65536));
    const section = await blk.drained();
    const submitted = await submittedBy(context(), async () => {
      const first = blk.pwrite(0, Buffer.alloc(4096));
      blk.writeCache = false;
      section.end();
      expect(await first).toBe(4096);
    });
    expect(submitted).toMatchObject({ write: 1, fdatasync: 1 });
  });

  test('RW-7: between the last byte and the next 512 boundary there are zeroes', async () => {
    const filename = makeImage(folder, 'tail.img', 1000);
    await using blk = await open(filename, BUFFERED);
    const buffer = Buffer.alloc(512, 1);
    expect(await blk.pread(512, buffer)).toBe(512);
    expect(buffer.subarray(0, 488).equals(Buffer.alloc(488, 0x64))).toBe(true);
    expect(buffer.subarray(488).equals(Buffer.alloc(24))).toBe(true);
    buffer.fill(1);
    expect(await blk.pread(1000, buffer.subarray(0, 24))).toBe(24);
    expect(buffer.subarray(0, 24).equals(Buffer.alloc(24))).toBe(true);
  });

  test('RW-8: one byte at 1010 makes a 1000-byte file 1011 bytes long', async () => {
    const filename = makeImage(folder, 'rounded.img', 1000);
    await using blk = await open(filename, BUFFERED);
    expect(await blk.pwrite(1010, Buffer.from([7]))).toBe(1);
    expect(statSync(filename).size).toBe(1011);
    expect(await blk.getLength()).toBe(1024);
    const expected = Buffer.alloc(1011, 0x64);
    expected.fill(0, 1000).writeUInt8(7, 1010);
    expect(readFileSync(filename).equals(expected)).toBe(true);
  });

  test('RW-9: writes to a read-only node are EPERM', async () => {
    await using blk = await BlockBackend.open(
      { ...rawOptions(makeImage(folder, 'sealed.img', 65536)), 'read-only': true },
      { context: context() },
    );
    expect(await codeOf(blk.pwrite(0, Buffer.alloc(512)))).toBe('EPERM');
    expect(await codeOf(blk.pwriteZeroes(0, 512))).toBe('EPERM');
    expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('RW-11: nothing at a misaligned offset succeeds without reaching the engine', async () => {
    const filename = makeImage(folder, 'nothing.img', 65536);
    await using blk = await open(filename, { cache: { direct: true } });
    const submitted = await submittedBy(context(), async () => {
      expect(await blk.pread(100, new Uint8Array(0))).toBe(0);
      expect(await blk.pwrite(100, new Uint8Array(0))).toBe(0);
      expect(await blk.pwriteZeroes(100, 0)).toBe(0);
    });
    expect(submitted).toEqual({ read: 0, write: 0, fdatasync: 0, call: 0 });
  });

  test('MISC-4: compressed writes to raw are ENOTSUP, after the range check', async () => {
    await using blk = await open(makeImage(folder, 'compressed.img', 65536));
    const data = Buffer.alloc(512);
    expect(await codeOf(blk.pwrite(-512, data, { compressed: true }))).toBe('EIO');
    expect(await codeOf(blk.pwrite(0, data, { compressed: true }))).toBe('ENOTSUP');
  });
});
