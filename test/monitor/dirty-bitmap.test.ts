// Dirty bitmaps as the monitor has them.
import {
  BlockBackend,
  blockDirtyBitmapAdd,
  blockDirtyBitmapClear,
  blockDirtyBitmapDisable,
  blockDirtyBitmapEnable,
  blockDirtyBitmapMerge,
  blockDirtyBitmapRemove,
  queryBlock,
} from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;
const KIB = 1024;

onEveryEngineAndHome((context) => {
  const open = (): Promise<BlockBackend> => {
    const image = rawOptions(makeImage(folder, 'dirty.img', 4 * MIB));
    const options = { ...image, 'node-name': 'watched', discard: 'unmap' } as const;
    return BlockBackend.open(options, { context: context(), name: 'drive', resize: true });
  };
  const watched = (name = 'b') => ({ node: 'watched', name });
  const bitmaps = async () => (await queryBlock())[0]?.inserted?.['dirty-bitmaps'] ?? [];
  const count = async (name = 'b') =>
    (await bitmaps()).find((bitmap) => bitmap.name === name)?.count;

  test('DISC-10: writes and discards are noted from the moment the bitmap is added', async () => {
    await using blk = await open();
    await blk.pwrite(0, Buffer.alloc(64 * KIB));
    blockDirtyBitmapAdd(watched());
    expect(await bitmaps()).toEqual([
      {
        name: 'b',
        granularity: 64 * KIB,
        count: 0,
        recording: true,
        busy: false,
        persistent: false,
      },
    ]);
    const writing = blk.pwrite(MIB, Buffer.alloc(4096));
    await writing;
    expect(await count()).toBe(64 * KIB);
    await blk.pdiscard(2 * MIB, 128 * KIB);
    expect(await count()).toBe(192 * KIB);
  });

  test('ZERO-14: zero-writes are noted', async () => {
    await using blk = await open();
    blockDirtyBitmapAdd({ ...watched(), granularity: 4096 });
    await blk.pwriteZeroes(4096, 8192);
    expect(await count()).toBe(8192);
  });

  test('TRUNC-4: a bitmap follows the length of its node', async () => {
    await using blk = await open();
    blockDirtyBitmapAdd({ node: 'drive', name: 'b', granularity: 4096 });
    await blk.pwrite(4 * MIB - 8192, Buffer.alloc(8192));
    await blk.truncate(4 * MIB - 4096);
    expect(await count()).toBe(4096);
    await blk.truncate(8 * MIB);
    await blk.pwrite(8 * MIB - 4096, Buffer.alloc(4096));
    expect(await count()).toBe(8192);
  });

  test('COPY-6: the target of a copy is noted', async () => {
    await using blk = await open();
    blockDirtyBitmapAdd({ ...watched(), granularity: 4096 });
    const copied = await codeOf(blk.copyRange(0, blk, MIB, 8192));
    expect(await count()).toBe(copied === 'none' ? 8192 : 0);
  });

  test('dirty bitmap: cleared, disabled, enabled, merged and removed', async () => {
    await using blk = await open();
    blockDirtyBitmapAdd({ ...watched('fine'), granularity: 4096 });
    blockDirtyBitmapAdd({ ...watched('off'), disabled: true });
    const write = (offset: number) => blk.pwrite(offset, Buffer.alloc(512));
    await write(0);
    expect([await count('fine'), await count('off')]).toEqual([4096, 0]);
    blockDirtyBitmapEnable(watched('off'));
    blockDirtyBitmapDisable(watched('fine'));
    await write(MIB);
    expect([await count('fine'), await count('off')]).toEqual([4096, 64 * KIB]);
    blockDirtyBitmapMerge({ node: 'watched', target: 'off', bitmaps: ['fine'] });
    expect(await count('off')).toBe(128 * KIB);
    blockDirtyBitmapClear(watched('fine'));
    expect(await count('fine')).toBe(0);
    blockDirtyBitmapRemove(watched('fine'));
    expect((await bitmaps()).map(({ name }) => name)).toEqual(['off']);
  });

  test('dirty bitmap: bad input is one clear sentence, and changes nothing', async () => {
    await using _blk = await open();
    blockDirtyBitmapAdd(watched());
    const attempts: [() => void, string][] = [
      [() => blockDirtyBitmapAdd(watched()), 'EEXIST'],
      [() => blockDirtyBitmapAdd(watched('')), 'EINVAL'],
      [() => blockDirtyBitmapAdd(watched('n'.repeat(1024))), 'EINVAL'],
      [() => blockDirtyBitmapAdd({ ...watched('c'), granularity: 1000 }), 'EINVAL'],
      [() => blockDirtyBitmapAdd({ ...watched('c'), granularity: 256 }), 'EINVAL'],
      [() => blockDirtyBitmapAdd({ ...watched('c'), granularity: 2 ** 32 }), 'EINVAL'],
      [() => blockDirtyBitmapAdd({ ...watched('c'), persistent: true }), 'ENOTSUP'],
      [() => blockDirtyBitmapAdd({ node: 'nowhere', name: 'c' }), 'ENOENT'],
      [() => blockDirtyBitmapRemove(watched('c')), 'ENOENT'],
      [() => blockDirtyBitmapClear(watched('c')), 'ENOENT'],
      [() => blockDirtyBitmapEnable(watched('c')), 'ENOENT'],
      [() => blockDirtyBitmapDisable(watched('c')), 'ENOENT'],
      [() => blockDirtyBitmapMerge({ node: 'watched', target: 'b', bitmaps: ['c'] }), 'ENOENT'],
    ];
    for (const [attempt, code] of attempts) expect(codeThrown(attempt)).toBe(code);
    expect(() => blockDirtyBitmapAdd({ ...watched('c'), granularity: 1000 })).toThrow(
      'the granularity must be a power of 2 from 512 to 2147483648, not 1000',
    );
    expect(await bitmaps()).toHaveLength(1);
  });
});
