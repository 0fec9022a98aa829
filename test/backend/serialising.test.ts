// Which requests exclude others from how many bytes.
import { BlockBackend, type BlockdevOptions, probe } from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { isSettled, until } from '../support/waiting.js';

const CLUSTER = 65536;
const BLOCK = 4096;
const SIZE = 4 * CLUSTER;

onEveryEngineAndHome((context) => {
  const open = (more: Partial<BlockdevOptions> = {}) =>
    BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'p', size: SIZE, ...more },
      { context: context(), permissions: ['consistent-read', 'write', 'resize'] },
    );
  const read = (blk: BlockBackend, offset: number) => blk.pread(offset, Buffer.alloc(512));
  /** Stands still in the driver while `work` goes on. */
  const stopped = async (
    event: 'pwrite' | 'pwriteZeroes' | 'truncate',
    request: () => Promise<unknown>,
    work: () => Promise<void>,
  ) => {
    probe('p').hold(event, 'A');
    const first = request();
    await until(() => probe('p').held('A') === 1);
    await work();
    expect(await isSettled(first)).toBe(false);
    probe('p').release('A');
    await first;
  };

  test('TRK-4: a misaligned write excludes others from its blocks', async () => {
    await using blk = await open({ 'request-alignment': BLOCK });
    const inside: Promise<number>[] = [];
    await stopped(
      'pwrite',
      () => blk.pwrite(BLOCK + 512, Buffer.alloc(512)),
      async () => {
        inside.push(read(blk, BLOCK), read(blk, 2 * BLOCK - 512));
        await Promise.all([read(blk, BLOCK - 512), read(blk, 2 * BLOCK)]);
        expect(await Promise.all(inside.map(isSettled))).toEqual([false, false]);
      },
    );
    expect(await Promise.all(inside)).toEqual([512, 512]);
  });

  test('TRK-4: an aligned write excludes nobody', async () => {
    await using blk = await open({ 'request-alignment': BLOCK });
    await stopped(
      'pwrite',
      () => blk.pwrite(BLOCK, Buffer.alloc(BLOCK)),
      async () => {
        expect(await read(blk, BLOCK)).toBe(512);
      },
    );
  });

  test('TRK-4: a misaligned zero-write excludes others from its blocks', async () => {
    await using blk = await open({ 'request-alignment': BLOCK });
    const inside: Promise<number>[] = [];
    await stopped(
      'pwrite',
      () => blk.pwriteZeroes(BLOCK + 512, 512),
      async () => {
        inside.push(read(blk, BLOCK), read(blk, 2 * BLOCK - 512));
        await Promise.all([read(blk, BLOCK - 512), read(blk, 2 * BLOCK)]);
        expect(await Promise.all(inside.map(isSettled))).toEqual([false, false]);
      },
    );
    expect(await Promise.all(inside)).toEqual([512, 512]);
  });

  test('TRK-4: a growing truncate excludes others from the new area', async () => {
    await using blk = await open();
    blk.allowWriteBeyondEnd = true;
    let inside: Promise<number> | undefined;
    await stopped(
      'truncate',
      () => blk.truncate(SIZE + CLUSTER),
      async () => {
        inside = blk.pwrite(SIZE, Buffer.alloc(512));
        await blk.pwrite(SIZE - 512, Buffer.alloc(512));
        expect(await isSettled(inside)).toBe(false);
      },
    );
    expect(await inside).toBe(512);
  });

  test('TRK-4: a zero-write beyond the end excludes others from all that comes after it', async () => {
    await using blk = await open();
    blk.allowWriteBeyondEnd = true;
    let beyond: Promise<number> | undefined;
    await stopped(
      'pwriteZeroes',
      () => blk.pwriteZeroes(SIZE - BLOCK, 2 * BLOCK),
      async () => {
        beyond = blk.pwrite(2 ** 40, Buffer.alloc(512));
        await blk.pwrite(SIZE - BLOCK - 512, Buffer.alloc(512));
        expect(await isSettled(beyond)).toBe(false);
      },
    );
    expect(await beyond).toBe(512);
  });
});
