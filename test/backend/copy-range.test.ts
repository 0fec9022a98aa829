// Copying inside the kernel, from one backend to another.
import { readFileSync } from 'node:fs';
import { AioContext, type BackendSettings, BlockBackend } from '../../lib/index.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, rawOptions } from '../support/matrix.js';
import { codeOf, codeThrown, submittedBy } from '../support/requests.js';
import { traced } from '../support/strace.js';
import { describeWith } from '../support/tools.js';

const SIZE = 65536;
const letters = Buffer.from('abcdefghijklmnop');

/** The kernel copies single bytes only through its page cache. */
const CACHED = { cache: { direct: false } };

onEveryEngineAndHome((context) => {
  const settings = (): BackendSettings => ({ context: context() });
  const open = (filename: string): Promise<BlockBackend> =>
    BlockBackend.open(rawOptions(filename), settings());
  const openCached = (filename: string): Promise<BlockBackend> =>
    BlockBackend.open(rawOptions(filename, CACHED), settings());

  test('COPY-1: the source is checked like a read, and the target after it', async () => {
    await using full = await open(image(SIZE));
    await using empty = new BlockBackend(settings());
    const cases: [string, BlockBackend, number, BlockBackend, number, number][] = [
      ['ENOMEDIUM', empty, -1, full, 0, 512],
      ['EIO', empty, 0, full, 0, -1],
      ['EIO', full, -1, empty, 0, 512],
      ['EIO', full, SIZE - 511, empty, 0, 512],
      ['ENOMEDIUM', full, SIZE - 512, empty, -1, 512],
      ['EIO', full, 0, full, -1, 512],
      ['EIO', full, 0, full, SIZE - 511, 512],
      ['none', full, 0, full, SIZE - 512, 512],
      ['none', full, SIZE, full, SIZE, 0],
    ];
    for (const [code, source, offset, target, targetOffset, bytes] of cases) {
      expect(await codeOf(source.copyRange(offset, target, targetOffset, bytes))).toBe(code);
    }
  });

  test('COPY-2: a zero-write does not touch the source', async () => {
    const filename = image(SIZE, letters);
    await using target = await open(filename);
    await using source = await BlockBackend.open({ driver: 'null-co', size: SIZE }, settings());
    expect(await source.copyRange(0, target, 4096, 8192, { zeroWrite: true })).toBe(0);
    expect(readFileSync(filename)).toEqual(Buffer.alloc(SIZE, letters).fill(0, 4096, 12288));
  });

  test('COPY-3: drivers that cannot are ENOTSUP, and nothing is written', async () => {
    const filename = image(SIZE, letters);
    await using file = await open(filename);
    await using none = await BlockBackend.open({ driver: 'null-co', size: SIZE }, settings());
    expect(await codeOf(none.copyRange(0, file, 0, 4096))).toBe('ENOTSUP');
    expect(await codeOf(file.copyRange(0, none, 0, 4096))).toBe('ENOTSUP');
    expect(readFileSync(filename)).toEqual(Buffer.alloc(SIZE, letters));
    await expect(file.copyRange(0, none, 0, 4096)).rejects.toThrow(/kernel cannot copy between/);
  });

  test('COPY-3: two contexts are ENOTSUP, and nothing is written', async () => {
    const filename = image(SIZE, letters);
    await using here = await open(filename);
    await using elsewhere = new AioContext();
    await using there = await BlockBackend.open(rawOptions(image(SIZE)), { context: elsewhere });
    expect(await codeOf(there.copyRange(0, here, 0, 4096))).toBe('ENOTSUP');
    expect(await codeOf(here.copyRange(0, there, 0, 4096))).toBe('ENOTSUP');
    expect(codeThrown(() => there.copyRangeSync(0, here, 0, 4096))).toBe('ENOTSUP');
    expect(readFileSync(filename)).toEqual(Buffer.alloc(SIZE, letters));
    await there.close();
  });

  test('COPY-4: the kernel copies from file to file, in every form of the call', async () => {
    const filename = image(SIZE);
    await using source = await openCached(image(SIZE, letters));
    await using target = await openCached(filename);
    const { read, write } = await submittedBy(context(), async () => {
      expect(await source.copyRange(1, target, 4096, 10000)).toBe(0);
      expect(source.copyRangeSync(0, target, 20480, 4096)).toBe(0);
      const result = await new Promise((resolve) => {
        source.aio.copyRange(3, target, 40960, 4096, (_error, value) => resolve(value));
      });
      expect(result).toBe(0);
    });
    expect({ read, write }).toEqual({ read: 0, write: 0 });
    const all = Buffer.alloc(SIZE, letters);
    const expected = Buffer.alloc(SIZE);
    all.copy(expected, 4096, 1, 10001);
    all.copy(expected, 20480, 0, 4096);
    all.copy(expected, 40960, 3, 4099);
    expect(readFileSync(filename)).toEqual(expected);
  });

  test('COPY-5: raw windows shift the copy on both sides, and bound it', async () => {
    const from = image(SIZE, letters);
    const to = image(SIZE);
    const window = (filename: string, offset: number, size: number): Promise<BlockBackend> =>
      BlockBackend.open({ ...rawOptions(filename, CACHED), offset, size }, settings());
    await using source = await window(from, 5, 8192);
    await using target = await window(to, 4097, 8192);
    expect(await source.copyRange(2, target, 3, 1000)).toBe(0);
    const expected = Buffer.alloc(SIZE);
    Buffer.alloc(SIZE, letters).copy(expected, 4100, 7, 1007);
    expect(readFileSync(to)).toEqual(expected);
    // Past the checks of the backends.
    source.allowWriteBeyondEnd = true;
    target.allowWriteBeyondEnd = true;
    expect(await codeOf(source.copyRange(8000, target, 0, 1000))).toBe('EINVAL');
    expect(readFileSync(to)).toEqual(expected);
  });

  test('RAW-5: a copy is shifted by the offset of the window', async () => {
    const filename = image(SIZE, letters);
    await using blk = await BlockBackend.open(
      { ...rawOptions(filename, CACHED), offset: 16, size: 32768 },
      settings(),
    );
    expect(await blk.copyRange(1, blk, 16384, 100)).toBe(0);
    const expected = Buffer.alloc(SIZE, letters);
    expected.copyWithin(16400, 17, 117);
    expect(readFileSync(filename)).toEqual(expected);
  });

  test('COPY-6: the highest written offset of the target rises', async () => {
    await using source = await open(image(SIZE, letters));
    await using target = await open(image(SIZE));
    await source.copyRange(0, target, 8192, 512);
    expect(target.root?.info().highestWrittenOffset).toBe(8704);
    expect(source.root?.info().highestWrittenOffset).toBe(0);
  });

  test('COPY-7: it runs in a drained section, and is not made durable by FUA', async () => {
    const filename = image(SIZE);
    await using source = await open(image(SIZE, letters));
    await using target = await open(filename);
    target.writeCache = false;
    source.writeCache = false;
    await using _first = await source.drained();
    await using _second = await target.drained();
    const { fdatasync } = await submittedBy(context(), () => source.copyRange(0, target, 0, 4096));
    expect(fdatasync).toBe(0);
    expect(readFileSync(filename).subarray(0, 4096)).toEqual(Buffer.alloc(4096, letters));
  });

  test('FUA-8: without a write cache a copy and a discard are not flushed all the same', async () => {
    await using blk = await BlockBackend.open(
      rawOptions(image(SIZE, letters), { discard: 'unmap' }),
      settings(),
    );
    blk.writeCache = false;
    const { fdatasync } = await submittedBy(context(), async () => {
      await blk.copyRange(0, blk, 8192, 4096);
      await blk.pdiscard(0, 4096);
    });
    expect(fdatasync).toBe(0);
  });

  test('COPY-7: a section over either end waits for a copy that was made before it', async () => {
    await using source = await open(image(SIZE, letters));
    await using target = await open(image(SIZE));
    const copy = source.copyRange(0, target, 0, 4096);
    expect([source.inFlight, target.inFlight]).toEqual([1, 1]);
    await using _section = await target.drained();
    expect([source.inFlight, target.inFlight]).toEqual([0, 0]);
    expect(await copy).toBe(0);
  });

  test('COPY-8: an overlap within one node is for the kernel to judge', async () => {
    const filename = image(SIZE, letters);
    await using blk = await openCached(filename);
    expect(await codeOf(blk.copyRange(0, blk, 100, 4096))).toBe('EINVAL');
    expect(readFileSync(filename)).toEqual(Buffer.alloc(SIZE, letters));
    expect(await blk.copyRange(1, blk, 8192, 4096)).toBe(0);
    const expected = Buffer.alloc(SIZE, letters);
    expected.copyWithin(8192, 1, 4097);
    expect(readFileSync(filename)).toEqual(expected);
  });

  test('FILE-26: between a file and a driver that is none there is no copy', async () => {
    await using file = await open(image(SIZE, letters));
    const memory = { driver: 'x-probe', size: SIZE } as const;
    await using probed = await BlockBackend.open(memory, settings());
    await using plain = await BlockBackend.open(
      { driver: 'file', filename: image(SIZE) },
      settings(),
    );
    expect(await codeOf(file.copyRange(0, probed, 0, 512))).toBe('ENOTSUP');
    expect(await codeOf(probed.copyRange(0, file, 0, 512))).toBe('ENOTSUP');
    expect(await codeOf(file.copyRange(0, plain, 0, 512))).toBe('none');
  });
});

test('a copy needs a backend that is open to go to', async () => {
  await using source = await BlockBackend.open(rawOptions(image(SIZE)));
  const target = await BlockBackend.open(rawOptions(image(SIZE)));
  await target.close();
  expect(await codeOf(source.copyRange(0, target, 0, 512))).toBe('ENOMEDIUM');
  const wrong = source.copyRange(0, {} as BlockBackend, 0, 512);
  expect(await codeOf(wrong)).toBe('ERR_INVALID_ARG_TYPE');
  expect(codeThrown(() => source.copyRangeSync(0.5, source, 0, 512))).toBe('ERR_INVALID_ARG_VALUE');
});

describeWith(['strace'], 'system calls', () => {
  const copyWith = async (inject?: string): Promise<[code: unknown, calls: number]> => {
    const filename = image(SIZE, letters);
    const target = image(SIZE);
    const body = `
      const blk = await BlockBackend.open({ driver: 'file', filename });
      const other = await BlockBackend.open({ driver: 'file', filename: ${JSON.stringify(target)} });
      report(await codeOf(blk.copyRange(0, other, 0, 8192)));
      await blk.close();
      await other.close();
    `;
    const { reported, calls } = await traced(body, {
      filename,
      trace: 'copy_file_range',
      ...(inject === undefined ? {} : { inject: `copy_file_range:${inject}` }),
    });
    return [reported[0], calls.length];
  };

  test.each([
    ['without progress is ENOSPC', 'retval=0', 'ENOSPC', 1],
    ['that this kernel lacks is ENOTSUP', 'error=ENOSYS', 'ENOTSUP', 1],
    ['that is interrupted is tried again', 'error=EINTR:when=1', 'none', 2],
    ['that fails gives its error', 'error=EXDEV', 'EXDEV', 1],
    ['that succeeds is one call', undefined, 'none', 1],
  ])('COPY-4: a copy %s', async (_title, inject, code, calls) => {
    expect(await copyWith(inject)).toEqual([code, calls]);
  });
});
