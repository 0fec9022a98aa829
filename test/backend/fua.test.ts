import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { makeImage, openFlags, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const O_DIRECT = 0o40000;

onEveryEngineAndHome((context) => {
  const data = Buffer.alloc(4096, 1);
  const open = async (more = {}, writeCache = true) => {
    const filename = makeImage(folder, 'fua.img', 65536);
    const blk = await BlockBackend.open(
      { ...rawOptions(filename, more), discard: 'unmap' },
      { context: context() },
    );
    blk.writeCache = writeCache;
    return blk;
  };
  const syncs = async (work: () => Promise<unknown>) =>
    (await submittedBy(context(), work)).fdatasync;

  test('FUA-1: without a write cache every write and zero-write is durable, and nothing else', async () => {
    await using blk = await open({}, false);
    expect(await syncs(() => blk.pwrite(0, data))).toBe(1);
    expect(await syncs(() => blk.pwritev(0, [data, data]))).toBe(1);
    expect(await syncs(() => blk.pwriteZeroes(0, 4096))).toBe(1);
    expect(await syncs(() => blk.pread(0, data))).toBe(0);
    expect(await syncs(() => blk.pdiscard(0, 4096))).toBe(0);
  });

  test('FUA-2: a file has no FUA of its own, so the write is flushed', async () => {
    await using blk = await open();
    expect(await submittedBy(context(), () => blk.pwrite(0, data, { fua: true }))).toMatchObject({
      write: 1,
      fdatasync: 1,
    });
    expect(await syncs(() => blk.pwrite(0, data))).toBe(0);
  });

  test('FUA-5: a zero-write is followed by one flush', async () => {
    await using blk = await open();
    expect(await syncs(() => blk.pwriteZeroes(0, 65536, { fua: true }))).toBe(1);
  });

  test('FUA-6: ten write-through writes are ten writes and ten fdatasyncs', async () => {
    await using blk = await open({}, false);
    const submitted = await submittedBy(context(), async () => {
      for (let index = 0; index < 10; index += 1) await blk.pwrite(4096 * index, data);
    });
    expect(submitted).toMatchObject({ write: 10, fdatasync: 10 });
  });

  test('FUA-7: with no-flush neither FUA nor flush reaches the disk', async () => {
    await using blk = await open({ cache: { 'no-flush': true } }, false);
    const submitted = await syncs(async () => {
      await blk.pwrite(0, data, { fua: true });
      await blk.pwriteZeroes(0, 4096, { fua: true });
      await blk.flush();
    });
    expect(submitted).toBe(0);
  });

  test('FUA-10: a change of the write cache flushes nothing and concerns later writes', async () => {
    await using blk = await open();
    await blk.pwrite(0, data);
    expect(
      await syncs(async () => {
        blk.writeCache = false;
        blk.writeCache = true;
        blk.writeCache = false;
        expect(await blk.getLength()).toBe(65536);
      }),
    ).toBe(0);
    expect(await syncs(() => blk.pwrite(0, data))).toBe(1);
    blk.writeCache = true;
    expect(await syncs(() => blk.pwrite(0, data))).toBe(0);
    expect(blk.writeCache).toBe(true);
  });

  test.each([
    { mode: 'writeback', writeCache: true, direct: false, noFlush: false },
    { mode: 'none', writeCache: true, direct: true, noFlush: false },
    { mode: 'writethrough', writeCache: false, direct: false, noFlush: false },
    { mode: 'directsync', writeCache: false, direct: true, noFlush: false },
    { mode: 'unsafe', writeCache: true, direct: false, noFlush: true },
  ])('FUA-11: cache mode $mode', async ({ writeCache, direct, noFlush }) => {
    const filename = makeImage(folder, 'mode.img', 65536);
    await using blk = await BlockBackend.open(
      { driver: 'raw', cache: { direct, 'no-flush': noFlush }, file: { driver: 'file', filename } },
      { context: context() },
    );
    blk.writeCache = writeCache;
    expect(openFlags(filename).map((flags) => (flags & O_DIRECT) !== 0)).toEqual([direct]);
    expect(await syncs(() => blk.pwrite(0, data))).toBe(writeCache ? 0 : 1);
    expect(await syncs(() => blk.flush())).toBe(writeCache && !noFlush ? 1 : 0);
  });

  test('FUA-12: null has FUA of its own, and raw passes on what its file has', async () => {
    for (const options of [
      { driver: 'null-co' },
      { driver: 'raw', file: { driver: 'null-aio' } },
    ]) {
      await using blk = await BlockBackend.open(options, { context: context() });
      blk.writeCache = false;
      expect(await blk.pwrite(0, data)).toBe(4096);
    }
    await using blk = await open({}, false);
    expect(await syncs(() => blk.pwrite(0, data))).toBe(1);
  });
});
