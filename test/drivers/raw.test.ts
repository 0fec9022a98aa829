import { readFileSync } from 'node:fs';
import { BlockBackend } from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 65536;

onEveryEngineAndHome((context) => {
  const open = (filename: string, more = {}, settings = {}) =>
    BlockBackend.open(
      { driver: 'raw', file: fileOptions(filename), ...more },
      { context: context(), ...settings },
    );

  test('RAW-1: without options it is a filter of the size of its file', async () => {
    const filename = makeImage(folder, 'filter.img', SIZE);
    await using blk = await open(filename);
    expect(await blk.getLength()).toBe(SIZE);
    const [child] = blk.root?.children ?? [];
    expect(child?.edge.role).toBe(0x14); // filtered and primary
    const odd = makeImage(folder, 'odd.img', 1000);
    await using rounded = await open(odd, { 'read-only': true });
    expect(await rounded.getLength()).toBe(1024);
  });

  test('RAW-2: a window must lie inside its file, and its size be a multiple of 512', async () => {
    const filename = makeImage(folder, 'window.img', SIZE);
    for (const window of [
      { offset: SIZE + 512 },
      { offset: -512 },
      { size: SIZE + 512 },
      { offset: 4096, size: SIZE - 4096 + 512 },
      { size: 1000 },
      { size: -512 },
    ]) {
      expect(await codeOf(open(filename, window))).toBe('EINVAL');
    }
    await using whole = await open(filename, { offset: 1000, size: 4096 });
    expect(await whole.getLength()).toBe(4096);
    await using empty = await open(filename, { offset: SIZE });
    expect(await empty.getLength()).toBe(0);
  });

  test('RAW-3: through a backend the end of the window is EIO', async () => {
    await using blk = await open(makeImage(folder, 'end.img', SIZE), { offset: 4096, size: 8192 });
    expect(await codeOf(blk.pread(8192, Buffer.alloc(512)))).toBe('EIO');
    expect(await codeOf(blk.pwrite(8192, Buffer.alloc(512)))).toBe('EIO');
    expect(await blk.pwrite(7680, Buffer.alloc(512))).toBe(512);
  });

  test('RAW-3: where the end is not checked, writes beyond the window are ENOSPC', async () => {
    const filename = makeImage(folder, 'unchecked.img', SIZE);
    const window = { offset: 4096, size: 8192 };
    await using blk = await open(filename, window, { resize: true });
    blk.allowWriteBeyondEnd = true;
    expect(await codeOf(blk.pwrite(8192, Buffer.alloc(4096)))).toBe('ENOSPC');
    expect(await codeOf(blk.pwriteZeroes(8192, 4096))).toBe('ENOSPC');
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64))).toBe(true);
  });

  test('RAW-5: zero-writes, discards and data are shifted by the offset', async () => {
    const filename = makeImage(folder, 'shifted.img', SIZE);
    await using blk = await open(filename, { offset: 8192, size: 32768, discard: 'unmap' });
    const expected = Buffer.alloc(SIZE, 0x64);
    await blk.pwrite(100, Buffer.alloc(1000, 7));
    expected.fill(7, 8292, 9292);
    await blk.pwriteZeroes(4096, 4096);
    expected.fill(0, 12288, 16384);
    await blk.pdiscard(16384, 4096);
    expected.fill(0, 24576, 28672);
    expect(readFileSync(filename).equals(expected)).toBe(true);
    const window = Buffer.alloc(32768);
    expect(await blk.pread(0, window)).toBe(32768);
    expect(window.equals(expected.subarray(8192, 40960))).toBe(true);
  });

  test('TRUNC-13: with a size it cannot be resized, with an offset the file gets both', async () => {
    const filename = makeImage(folder, 'resized.img', SIZE);
    {
      await using fixed = await open(filename, { size: 8192 }, { resize: true });
      expect(await codeOf(fixed.truncate(16384))).toBe('ENOTSUP');
    }
    await using blk = await open(filename, { offset: 4096 }, { resize: true });
    expect(await codeOf(blk.truncate(2n ** 63n - 2n ** 30n))).toBe('EINVAL');
    expect(await blk.truncate(8192)).toBe(0);
    expect(readFileSync(filename).length).toBe(12288);
    expect(await blk.getLength()).toBe(8192);
  });
});
