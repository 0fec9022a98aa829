import { readFileSync } from 'node:fs';
import { AioContext, BlockBackend, BlockError } from '../../lib/index.js';
import { image } from '../support/images.js';

const MIB = 1024 * 1024;
const SECTOR = 512;

/** A pattern in which every 4-byte word tells its own offset. */
function pattern(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 4) buffer.writeUInt32LE(at, at);
  return buffer;
}

function openFile(filename: string, options: object = {}): Promise<BlockBackend> {
  return BlockBackend.open({ driver: 'file', filename, ...options });
}

describe('requests', () => {
  test('RW-1: reads and writes give the byte count, everything else 0', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'file', filename: image(MIB), discard: 'unmap' },
      { resize: true },
    );
    expect(await blk.pwrite(0, Buffer.alloc(4096, 1))).toBe(4096);
    expect(await blk.pread(0, Buffer.alloc(1000))).toBe(1000);
    expect(await blk.pwritev(0, [Buffer.alloc(100), Buffer.alloc(28)])).toBe(128);
    expect(await blk.preadv(0, [Buffer.alloc(100), Buffer.alloc(28)])).toBe(128);
    expect(await blk.pwriteZeroes(0, 4096)).toBe(0);
    expect(await blk.pdiscard(0, 4096)).toBe(0);
    expect(await blk.flush()).toBe(0);
    expect(await blk.truncate(2 * MIB)).toBe(0);
    expect(await blk.getLength()).toBe(2 * MIB);
    expect(blk.preadSync(0, Buffer.alloc(10))).toBe(10);
    expect(blk.flushSync()).toBe(0);
    expect(blk.getLengthSync()).toBe(2 * MIB);
  });

  test('every kind of memory reads and writes the same bytes', async () => {
    const filename = image(MIB);
    const data = pattern(8192);
    await using blk = await openFile(filename);
    const pool = blk.allocate(8192);
    data.copy(pool);
    const shared = new Uint8Array(new SharedArrayBuffer(16384), 4096, 8192);
    shared.set(data);
    const views: ArrayBufferView[] = [
      pool,
      shared,
      data,
      new Uint32Array(data.buffer.slice(data.byteOffset, data.byteOffset + 8192)),
      new DataView(Uint8Array.from(data).buffer),
    ];
    for (const [index, view] of views.entries()) {
      expect(await blk.pwrite(index * 8192, view)).toBe(8192);
    }
    const written = readFileSync(filename);
    for (const [index, view] of views.entries()) {
      const at = index * 8192;
      expect(written.subarray(at, at + 8192).equals(data)).toBe(true);
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).fill(0);
      expect(await blk.pread(0, view)).toBe(8192);
      const bytes = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
      expect(bytes.equals(data)).toBe(true);
    }
  });

  test('vectored requests mix all kinds of memory', async () => {
    const data = pattern(64 * 1024);
    const filename = image(MIB, data);
    await using blk = await openFile(filename);
    const parts = [
      blk.allocate(512),
      Buffer.alloc(1000),
      Buffer.alloc(0),
      Buffer.alloc(24),
      new Uint8Array(new SharedArrayBuffer(4096)),
      new Uint16Array(300),
      blk.allocate(10_000),
    ];
    const total = parts.reduce((sum, part) => sum + part.byteLength, 0);
    expect(await blk.preadv(4, parts)).toBe(total);
    const join = () =>
      Buffer.concat(
        parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)),
      );
    expect(join().equals(data.subarray(4, 4 + total))).toBe(true);
    expect(await blk.pwritev(MIB - total, parts)).toBe(total);
    expect(
      readFileSync(filename)
        .subarray(MIB - total)
        .equals(join()),
    ).toBe(true);
    expect(blk.preadvSync(4, parts)).toBe(total);
  });

  test('MISC-13: a vector of more buffers than the kernel takes is one request', async () => {
    await using blk = await openFile(image(MIB, pattern(4096)));
    const pool = blk.allocate(4096);
    const parts = Array.from({ length: 2000 }, (_, index) =>
      pool.subarray(index * 2, index * 2 + 2),
    );
    expect(await blk.preadv(0, parts)).toBe(4000);
    expect(pool.subarray(0, 4000).equals(pattern(4096).subarray(0, 4000))).toBe(true);
  });

  test('AIO-15: the size of a vectored request is that of its vector', async () => {
    await using blk = await openFile(image(MIB));
    expect(await blk.preadv(0, [])).toBe(0);
    await expect(blk.preadv(MIB - 1, [Buffer.alloc(1), Buffer.alloc(1)])).rejects.toMatchObject({
      code: 'EIO',
      offset: MIB - 1,
      length: 2,
    });
  });

  test('a failed request tells what, where and on which node', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'raw', 'node-name': 'top', file: { driver: 'file', filename: image(MIB) } },
      { name: 'disk0' },
    );
    const error = await blk.pread(2 * MIB, Buffer.alloc(SECTOR)).catch((caught) => caught);
    expect(error).toBeInstanceOf(BlockError);
    expect(error).toMatchObject({
      name: 'BlockError',
      code: 'EIO',
      errno: -5,
      operation: 'pread',
      device: 'disk0',
      offset: 2 * MIB,
      length: SECTOR,
    });
    expect(error.message).toBe(
      "pread of 512 bytes at 2097152 on 'disk0': the range must lie within the medium, which has 1048576 bytes [EIO]",
    );
  });

  test('REQ-1: size before medium before offset', async () => {
    await using empty = new BlockBackend();
    await expect(empty.pread(-1, Buffer.alloc(1))).rejects.toMatchObject({ code: 'ENOMEDIUM' });
    const huge = new Uint8Array(new ArrayBuffer(0));
    Object.defineProperty(huge, 'byteLength', { value: 2 ** 31 });
    await expect(empty.pread(0, huge)).rejects.toMatchObject({ code: 'EIO' });
    await using blk = await openFile(image(MIB));
    await expect(blk.pread(-1, Buffer.alloc(1))).rejects.toMatchObject({ code: 'EIO' });
  });

  test('REQ-3: zero-length at the end succeeds, beyond it fails', async () => {
    await using blk = await openFile(image(MIB));
    expect(await blk.pread(MIB, Buffer.alloc(0))).toBe(0);
    await expect(blk.pread(2 * MIB, Buffer.alloc(0))).rejects.toMatchObject({ code: 'EIO' });
  });

  test('arguments that cannot be expressed reject and never throw', async () => {
    await using blk = await openFile(image(MIB));
    const buffer = Buffer.alloc(1);
    const wrong: [() => Promise<unknown>, string][] = [
      [() => blk.pread('0' as never, buffer), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.pread(0.5, buffer), 'ERR_INVALID_ARG_VALUE'],
      [() => blk.pread(Number.NaN, buffer), 'ERR_INVALID_ARG_VALUE'],
      [() => blk.pread(2 ** 53, buffer), 'ERR_INVALID_ARG_VALUE'],
      [() => blk.pread(2n ** 53n + 1n, buffer), 'ERR_OUT_OF_RANGE'],
      [() => blk.pread(0, 'x' as never), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.pread(0, new ArrayBuffer(1) as never), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.preadv(0, [buffer, 1 as never]), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.preadv(0, buffer as never), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.pread(0, buffer, 1 as never), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.pread(0, buffer, { signal: 1 as never }), 'ERR_INVALID_ARG_TYPE'],
      [() => blk.pwriteZeroes(0, 1.5), 'ERR_INVALID_ARG_VALUE'],
      [() => blk.truncate(0, { preallocation: 'some' as never }), 'ERR_INVALID_ARG_VALUE'],
      [() => blk.ioctl(-1), 'ERR_OUT_OF_RANGE'],
      [() => blk.ioctl(0x80081272, Buffer.alloc(7)), 'ERR_INVALID_ARG_VALUE'],
    ];
    for (const [call, code] of wrong) await expect(call()).rejects.toMatchObject({ code });
    await expect(blk.pread(-(2 ** 53 - 1), buffer)).rejects.toMatchObject({ code: 'EIO' });
    expect(await blk.pread(1n, buffer)).toBe(1);
  });

  test('REQ-6: offsets up to 2^63 - 1 reach the native checks as bigints', async () => {
    const filename = image(MIB);
    await using blk = await BlockBackend.open({ driver: 'file', filename }, { resize: true });
    const buffer = Buffer.alloc(1);
    await expect(blk.pread(2n ** 62n, buffer)).rejects.toMatchObject({ code: 'EIO' });
    await expect(blk.pread(2n ** 63n, buffer)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    // TRUNC-2: above 2^63 - 2^30 the block layer refuses, below it the file system does.
    const tooLong = 2n ** 63n - 2n ** 29n;
    await expect(blk.truncate(tooLong)).rejects.toMatchObject({ code: 'EIO' });
    await expect(blk.truncate(2n ** 62n)).rejects.toMatchObject({ code: 'EFBIG' });
    await expect(blk.truncate(-1)).rejects.toMatchObject({ code: 'EINVAL' });
  });

  test('a read into memory that was detached or shrunk rejects, and others go on', async () => {
    await using blk = await openFile(image(MIB, Buffer.from('abcd')));
    const lost = new Uint8Array(4);
    const kept = Buffer.alloc(4);
    const reads = [blk.pread(0, lost), blk.pread(0, kept), blk.preadv(0, [kept, lost])];
    structuredClone(lost.buffer, { transfer: [lost.buffer] });
    const results = await Promise.allSettled(reads);
    expect(results[0]).toMatchObject({ reason: { code: 'ERR_BLOCK_USAGE' } });
    expect(results[1]).toMatchObject({ value: 4 });
    expect(results[2]).toMatchObject({ reason: { code: 'ERR_BLOCK_USAGE' } });
    expect(kept.toString()).toBe('abcd');
  });

  test('a write uses the bytes as they were when it was called', async () => {
    const filename = image(MIB);
    await using blk = await openFile(filename);
    const buffer = Buffer.alloc(4096, 1);
    const written = blk.pwrite(0, buffer);
    buffer.fill(2);
    await written;
    expect(readFileSync(filename).subarray(0, 4096).equals(Buffer.alloc(4096, 1))).toBe(true);
  });

  test('TDRV-1: null leaves buffers of reads as they were, of whichever memory', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' });
    for (const view of [Buffer.alloc(512, 7), blk.allocate(512).fill(7)]) {
      expect(await blk.pread(0, view)).toBe(512);
      expect(view.equals(Buffer.alloc(512, 7))).toBe(true);
    }
    const parts = [Buffer.alloc(5, 1), Buffer.alloc(6, 2)];
    await blk.preadv(0, parts);
    expect(Buffer.concat(parts).toString('hex')).toBe('0101010101020202020202');
  });

  test('100,000 requests at once', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-aio', 'read-zeroes': true });
    const buffer = blk.allocate(SECTOR).fill(1);
    const reads = Array.from({ length: 100_000 }, (_, index) => blk.pread(index * SECTOR, buffer));
    expect(blk.inFlight).toBe(100_000);
    const results = await Promise.all(reads);
    expect(results.every((bytes) => bytes === SECTOR)).toBe(true);
    expect(buffer[0]).toBe(0);
  });

  test('an ioctl of unknown size is refused, ENOTSUP where the driver has none', async () => {
    await using blk = await openFile(image(MIB));
    await expect(blk.ioctl(0x2285, Buffer.alloc(88))).rejects.toMatchObject({ code: 'EINVAL' });
    await using none = await BlockBackend.open({ driver: 'null-co' });
    await expect(none.ioctl(0x80081272, Buffer.alloc(8))).rejects.toMatchObject({
      code: 'ENOTSUP',
    });
  });

  test('requests run in an IOThread as on the main loop', async () => {
    await using context = new AioContext({ home: 'iothread', name: 'io0' });
    const data = pattern(4096);
    const filename = image(MIB);
    const blk = await BlockBackend.open({ driver: 'file', filename }, { context });
    expect(blk.context).toBe(context);
    expect(await blk.pwrite(0, data)).toBe(4096);
    const back = Buffer.alloc(4096);
    expect(blk.preadSync(0, back)).toBe(4096);
    expect(back.equals(data)).toBe(true);
    await expect(context.close()).rejects.toMatchObject({ code: 'EBUSY' });
    await blk.close();
  });
});
