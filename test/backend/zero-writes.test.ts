import { readFileSync, statSync } from 'node:fs';
import { BlockBackend, probe } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 256 * 1024;

onEveryEngineAndHome((context) => {
  const open = (filename: string, more = {}) =>
    BlockBackend.open(rawOptions(filename, more), { context: context() });

  /** The image with these bytes zeroed and nothing else. */
  const zeroed = (offset: number, bytes: number) =>
    Buffer.alloc(SIZE, 0x64).fill(0, offset, offset + bytes);

  // QEMU refuses a hint about the memory of the data. Here neither has a place.
  test('ZERO-11: a zero-write takes a number of bytes, and no buffer in its place', async () => {
    const filename = makeImage(folder, 'hint.img', SIZE);
    await using blk = await open(filename);
    for (const buffer of [Buffer.alloc(512), blk.allocate(512), [Buffer.alloc(512)]]) {
      const bytes = buffer as unknown as number;
      expect(await codeOf(blk.pwriteZeroes(0, bytes))).toBe('ERR_INVALID_ARG_TYPE');
    }
    expect(blk.inFlight).toBe(0);
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64))).toBe(true);
  });

  test('NEW-8: zero-writes and discards have sizes of 64 bits', async () => {
    const TIB = 2 ** 40;
    await using blk = await BlockBackend.open(
      { driver: 'x-probe', size: 4 * TIB, discard: 'unmap' },
      { context: context() },
    );
    await blk.pwrite(3 * TIB, Buffer.alloc(512, 1));
    const probed = probe(blk.root ?? '');
    expect(probed.allocatedClusters).toBe(1);
    expect(await blk.pwriteZeroes(1, 4 * TIB - 2)).toBe(0);
    expect(await blk.pdiscard(0, 4 * TIB)).toBe(0);
    expect([probed.calls('pwriteZeroes') > 0, probed.calls('pdiscard') > 0]).toEqual([true, true]);
    const read = Buffer.alloc(512, 1);
    await blk.pread(3 * TIB, read);
    expect(read.equals(Buffer.alloc(512))).toBe(true);
  });

  test('ZERO-1: it honours the write cache', async () => {
    await using blk = await open(makeImage(folder, 'cache.img', SIZE));
    const cached = await submittedBy(context(), () => blk.pwriteZeroes(0, 65536));
    expect(cached).toEqual({ read: 0, write: 0, fdatasync: 0, call: 1 });
    blk.writeCache = false;
    const through = await submittedBy(context(), () => blk.pwriteZeroes(0, 65536));
    expect(through).toEqual({ read: 0, write: 0, fdatasync: 1, call: 1 });
  });

  test('ZERO-2: no-fallback is ENOTSUP where it would be slow, and writes nothing', async () => {
    const filename = makeImage(folder, 'fallback.img', SIZE);
    {
      await using blk = await open(filename, { cache: { direct: true } });
      const align = blk.root?.info().requestAlignment ?? 0;
      expect(align).toBeGreaterThanOrEqual(512);
      for (const [offset, bytes] of [
        [align - 1, align],
        [align, align - 1],
        [1, align],
      ] as const) {
        expect(await codeOf(blk.pwriteZeroes(offset, bytes, { noFallback: true }))).toBe('ENOTSUP');
      }
      expect(await blk.pwriteZeroes(align, align, { noFallback: true })).toBe(0);
      expect(readFileSync(filename).equals(zeroed(align, align))).toBe(true);
    }
    await using none = await BlockBackend.open({ driver: 'null-co' }, { context: context() });
    expect(await codeOf(none.pwriteZeroes(0, 4096, { noFallback: true }))).toBe('ENOTSUP');
  });

  test('ZERO-4: a driver without zero-writes gets zeroes written, 16 MiB at a time', async () => {
    await using blk = await BlockBackend.open({ driver: 'null-co' }, { context: context() });
    expect(await blk.pwriteZeroes(0, 40 * 1024 * 1024)).toBe(0);
    expect(blk.root?.info().highestWrittenOffset).toBe(40 * 1024 * 1024);
  });

  test.each([
    { offset: 4196, bytes: 100 },
    { offset: 4000, bytes: 200 },
    { offset: 1000, bytes: 100_000 },
    { offset: 4096, bytes: 4097 },
    { offset: 4095, bytes: 4097 },
    { offset: 512, bytes: 1024 },
  ])(
    'ZERO-9: $bytes bytes at $offset under O_DIRECT leave their neighbours alone',
    async ({ offset, bytes }) => {
      const filename = makeImage(folder, 'neighbours.img', SIZE);
      await using blk = await open(filename, { cache: { direct: true } });
      expect(await blk.pwriteZeroes(offset, bytes)).toBe(0);
      expect(readFileSync(filename).equals(zeroed(offset, bytes))).toBe(true);
      expect(blk.root?.info().requestAlignment).toBeGreaterThanOrEqual(512);
    },
  );

  test('ZERO-10: inside one block it is one read and one write', async () => {
    const filename = makeImage(folder, 'inside.img', SIZE);
    await using blk = await open(filename, { cache: { direct: true } });
    const submitted = await submittedBy(context(), () => blk.pwriteZeroes(8200, 100));
    expect(submitted).toEqual({ read: 1, write: 1, fdatasync: 0, call: 0 });
    expect(readFileSync(filename).equals(zeroed(8200, 100))).toBe(true);
  });

  test('FILE-12: zero-range keeps the blocks of a regular file', async () => {
    const filename = makeImage(folder, 'range.img', SIZE);
    await using blk = await open(filename);
    expect(await blk.pwriteZeroes(0, SIZE)).toBe(0);
    expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(SIZE);
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE))).toBe(true);
  });

  test('FILE-13: may-unmap punches a hole and keeps the size', async () => {
    const filename = makeImage(folder, 'hole.img', SIZE);
    await using blk = await open(filename);
    const before = statSync(filename).blocks;
    const submitted = await submittedBy(context(), () =>
      blk.pwriteZeroes(65536, 131072, { mayUnmap: true }),
    );
    expect(submitted).toEqual({ read: 0, write: 0, fdatasync: 0, call: 1 });
    const { size, blocks } = statSync(filename);
    expect(size).toBe(SIZE);
    expect((before - blocks) * 512).toBe(131072);
    expect(readFileSync(filename).equals(zeroed(65536, 131072))).toBe(true);
  });
});
