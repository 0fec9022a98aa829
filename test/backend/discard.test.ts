import { readFileSync, statSync } from 'node:fs';
import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 256 * 1024;

onEveryEngineAndHome((context) => {
  const open = (filename: string, discard: 'unmap' | 'ignore') =>
    BlockBackend.open({ ...rawOptions(filename), discard }, { context: context() });

  test('DISC-1: it is checked first, and in flight from its call on', async () => {
    await using blk = await open(makeImage(folder, 'checked.img', SIZE), 'unmap');
    const submitted = await submittedBy(context(), async () => {
      expect(await codeOf(blk.pdiscard(SIZE - 512, 1024))).toBe('EIO');
    });
    expect(submitted.call).toBe(0);
    const discarded = blk.pdiscard(0, 4096);
    expect(blk.inFlight).toBe(1);
    expect(await discarded).toBe(0);
    expect(blk.inFlight).toBe(0);
  });

  test('DISC-2: without discard=unmap it succeeds and does nothing', async () => {
    const filename = makeImage(folder, 'ignored.img', SIZE);
    await using blk = await open(filename, 'ignore');
    const submitted = await submittedBy(context(), () => blk.pdiscard(0, SIZE));
    expect(submitted).toEqual({ read: 0, write: 0, fdatasync: 0, call: 0 });
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64))).toBe(true);
    await using none = await BlockBackend.open(
      { driver: 'null-co', discard: 'unmap' },
      { context: context() },
    );
    expect(await none.pdiscard(0, SIZE)).toBe(0);
  });

  test('DISC-3: a negative offset is EIO even where discards do nothing', async () => {
    const filename = makeImage(folder, 'negative.img', SIZE);
    for (const discard of ['ignore', 'unmap'] as const) {
      await using blk = await open(filename, discard);
      expect(await codeOf(blk.pdiscard(-512, 512))).toBe('EIO');
    }
  });

  test('DISC-5: all bytes are passed down, aligned or not', async () => {
    const filename = makeImage(folder, 'bytes.img', SIZE);
    await using blk = await open(filename, 'unmap');
    expect(await blk.pdiscard(100, 10_000)).toBe(0);
    expect(blk.root?.children[0]?.edge.child.info().discardBytesOk).toBe(10_000);
    expect(readFileSync(filename).equals(Buffer.alloc(SIZE, 0x64).fill(0, 100, 10_100))).toBe(true);
  });

  test('DISC-11: a child unmaps unless it is told not to; the node that the user opened decides', async () => {
    const filename = makeImage(folder, 'decides.img', SIZE);
    const calls = async (options: object) => {
      await using blk = await BlockBackend.open(
        { driver: 'raw', ...options },
        { context: context() },
      );
      return (await submittedBy(context(), () => blk.pdiscard(0, 4096))).call;
    };
    const file = { driver: 'file', filename };
    expect(await calls({ file })).toBe(0);
    expect(await calls({ discard: 'unmap', file })).toBe(1);
    expect(await calls({ discard: 'unmap', file: { ...file, discard: 'ignore' } })).toBe(0);
    expect(await calls({ file: { ...file, discard: 'unmap' } })).toBe(0);
  });

  test('DISC-12: the file driver counts its discards and their bytes', async () => {
    await using blk = await open(makeImage(folder, 'counted.img', SIZE), 'unmap');
    for (const bytes of [4096, 8192]) await blk.pdiscard(65536, bytes);
    expect(blk.root?.children[0]?.edge.child.info()).toMatchObject({
      discardOk: 2,
      discardFailed: 0,
      discardBytesOk: 12_288,
    });
  });

  test('NEW-2: discards are accounted as unmaps, and the driver has counters of its own', async () => {
    await using blk = await open(makeImage(folder, 'unmaps.img', SIZE), 'unmap');
    blk.accountRequests = true;
    await blk.pdiscard(0, 4096);
    expect(await codeOf(blk.pdiscard(SIZE, 512))).toBe('EIO');
    expect(blk.stats).toMatchObject({
      unmap_operations: 1,
      unmap_bytes: 4096,
      wr_operations: 0,
    });
    expect(blk.stats.failed_unmap_operations + blk.stats.invalid_unmap_operations).toBe(1);
    expect(blk.root?.children[0]?.edge.child.info().discardOk).toBe(1);
  });

  test('FILE-14: a discard punches a hole', async () => {
    const filename = makeImage(folder, 'hole.img', SIZE);
    await using blk = await open(filename, 'unmap');
    const before = statSync(filename).blocks;
    expect(await blk.pdiscard(65536, 131072)).toBe(0);
    expect((before - statSync(filename).blocks) * 512).toBe(131072);
    const info = blk.root?.children[0]?.edge.child.info();
    expect(info).toMatchObject({ discardOk: 1, discardFailed: 0, discardBytesOk: 131072 });
  });

  test('FILE-15: what was discarded reads as zeroes, frees its blocks, and the size stays', async () => {
    const filename = makeImage(folder, 'freed.img', SIZE);
    await using blk = await open(filename, 'unmap');
    expect(await blk.pdiscard(0, SIZE)).toBe(0);
    const { size, blocks } = statSync(filename);
    expect([size, blocks]).toEqual([SIZE, 0]);
    const buffer = Buffer.alloc(SIZE, 1);
    expect(await blk.pread(0, buffer)).toBe(SIZE);
    expect(buffer.equals(Buffer.alloc(SIZE))).toBe(true);
    expect(await blk.getLength()).toBe(SIZE);
  });
});
