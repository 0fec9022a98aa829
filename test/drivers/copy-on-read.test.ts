// Reads that keep what they read: of a node itself, and through the filter.
import { readFileSync } from 'node:fs';
import {
  activateAll,
  BlockBackend,
  type BlockdevOptions,
  blkdebug,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  createDrive,
  inactivateAll,
  probe,
} from '../../lib/index.js';
import { suspended } from '../support/blkdebug.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, rawOptions } from '../support/matrix.js';
import { chooseSeed, randomNumbers } from '../support/random.js';
import { codeOf, submittedBy } from '../support/requests.js';
import { isSettled } from '../support/waiting.js';

const CLUSTER = 65536;
const SECTOR = 512;
const CLUSTERS = 4;
const SIZE = CLUSTERS * CLUSTER;
const base = () => image(SIZE, Buffer.from('base'));
const letters = (bytes: number, letter: string) => Buffer.alloc(bytes, letter);

/** In memory, in clusters of 64 KiB, over a raw image. */
function overlay(filename: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions {
  return {
    driver: 'x-probe',
    'node-name': 'over',
    size: SIZE,
    backing: rawOptions(filename),
    ...more,
  };
}

onEveryEngineAndHome((context) => {
  const settings = () => ({ context: context() });
  // May grow the node: its end need not be the end of a block.
  const growing = () => ({
    ...settings(),
    permissions: ['consistent-read', 'write', 'resize'] as const,
  });
  const filtered = (file: BlockdevOptions, more: Partial<BlockdevOptions> = {}) =>
    BlockBackend.open({ driver: 'copy-on-read', file, ...more }, growing());
  const debugged = async (debug: object = {}, more: Partial<BlockdevOptions> = {}) => {
    const image = overlay(base(), more);
    const blk = await BlockBackend.open({ driver: 'blkdebug', image, ...debug }, growing());
    blk.root?.enableCopyOnRead();
    return { blk, dbg: blkdebug(blk.root ?? '') };
  };
  const read = async (blk: BlockBackend, offset: number, bytes: number) => {
    const buffer = Buffer.alloc(bytes, 'x');
    await blk.pread(offset, buffer);
    return buffer.toString('latin1');
  };
  const ask = async (blk: BlockBackend, offset: number) =>
    (await blk.blockStatus(offset, CLUSTER)).allocated;

  test('RW-13: a read copies the whole cluster, once, and the backing file stays as it was', async () => {
    const filename = base();
    await using blk = await filtered(overlay(filename));
    expect(await submittedBy(context(), () => read(blk, CLUSTER + 2, 10))).toMatchObject({
      read: 1,
    });
    expect(await submittedBy(context(), () => read(blk, CLUSTER, CLUSTER))).toMatchObject({
      read: 0,
    });
    expect(await read(blk, CLUSTER + 2, 10)).toBe('sebasebase');
    expect(probe('over').counters()).toMatchObject({ pwrite: 1, pwriteZeroes: 0 });
    expect(probe('over').allocatedClusters).toBe(1);
    expect(readFileSync(filename, 'latin1')).toBe('base'.repeat(SIZE / 4));
  });

  test('RW-13: without it a read copies nothing', async () => {
    await using blk = await BlockBackend.open(overlay(base()), settings());
    expect(await read(blk, 0, SIZE)).toBe('base'.repeat(SIZE / 4));
    expect(probe('over').allocatedClusters).toBe(0);
  });

  test('RW-13: it is enabled as often as it must be disabled', async () => {
    await using blk = await BlockBackend.open(overlay(base()), settings());
    const node = blk.root;
    node?.enableCopyOnRead();
    node?.enableCopyOnRead();
    node?.disableCopyOnRead();
    await read(blk, 0, SECTOR);
    node?.disableCopyOnRead();
    await read(blk, CLUSTER, SECTOR);
    expect(await Promise.all([ask(blk, 0), ask(blk, CLUSTER)])).toEqual([true, false]);
    expect(() => node?.disableCopyOnRead()).toThrow(/copy-on-read is not enabled on node 'over'/);
  });

  test('RW-13: what the node has is not copied again, and what it has not comes in its place', async () => {
    await using blk = await filtered(overlay(base()));
    await blk.pwrite(CLUSTER, letters(CLUSTER, 'w'));
    const bytes = 2 * CLUSTER;
    const half = CLUSTER / 2;
    const expected = `${'base'.repeat(half / 4)}${'w'.repeat(CLUSTER)}${'base'.repeat(half / 4)}`;
    expect(await read(blk, half, bytes)).toBe(expected);
    expect(probe('over').counters()).toMatchObject({ pwrite: 3 });
    expect(probe('over').allocatedClusters).toBe(3);
  });

  test('RW-13: zeroes are copied as a zero-write', async () => {
    const zeroes = image(SIZE, Buffer.from('\0'));
    await using blk = await filtered(overlay(zeroes));
    expect(await read(blk, 5, 100)).toBe('\0'.repeat(100));
    expect(probe('over').counters()).toMatchObject({ pwrite: 0, pwriteZeroes: 1 });
    expect(await blk.blockStatus(0, SIZE)).toMatchObject({ zero: true, bytes: CLUSTER });
  });

  test('RW-13: an error of the copy fails the read', async () => {
    await using blk = await filtered(overlay(base()));
    for (const error of ['ENOSPC', 'EIO']) {
      probe('over').failNext('pwrite', error);
      expect(await codeOf(blk.pread(0, Buffer.alloc(SECTOR)))).toBe(error);
    }
    expect(probe('over').allocatedClusters).toBe(0);
    expect(await read(blk, 0, 8)).toBe('basebase');
  });

  test('RW-13: an inactive node is read, and not written', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'copy-on-read', file: overlay(base()) },
      { ...settings(), permissions: ['consistent-read'] },
    );
    await inactivateAll();
    expect(await read(blk, 1, 8)).toBe('asebaseb');
    expect(probe('over').allocatedClusters).toBe(0);
    await activateAll();
    expect(await read(blk, 1, 8)).toBe('asebaseb');
    expect(probe('over').allocatedClusters).toBe(1);
  });

  test('GRAPH-9: what a drive asks of its medium, its children are not asked for', async () => {
    const raw = { driver: 'raw', file: overlay(base()) };
    await using blk = await createDrive({ ...raw, 'copy-on-read': true }, settings());
    const inner = blk.root?.child('file')?.edge.child;
    const backing = inner?.backing?.child;
    expect([blk.root, inner, backing].map((node) => node?.copiesOnRead)).toEqual([
      true,
      false,
      false,
    ]);
  });

  test('RW-13: a node with small transfers copies in pieces, from the cluster’s beginning', async () => {
    await using blk = await filtered(overlay(base(), { 'max-transfer': 4096 }));
    expect(await read(blk, CLUSTER + 40_000, 100)).toBe('base'.repeat(25));
    expect(await ask(blk, CLUSTER)).toBe(true);
    expect(await read(blk, CLUSTER, CLUSTER)).toBe('base'.repeat(CLUSTER / 4));
  });

  test('RW-13: at the end of the node, in the middle of a cluster, the copy ends, too', async () => {
    const size = CLUSTER + 3 * SECTOR;
    for (const align of [1, SECTOR, 4096]) {
      const limits = { size, 'request-alignment': align };
      const blk = await filtered(overlay(base(), limits));
      expect(await read(blk, size - 2 * SECTOR, 2 * SECTOR)).toBe('base'.repeat(256));
      expect(await blk.getLength()).toBe(size);
      await blk.close();
    }
  });

  test('RW-13: past the end of a shorter backing file there are zeroes', async () => {
    const short = image(CLUSTER + SECTOR, Buffer.from('base'));
    await using blk = await filtered(overlay(short));
    const expected = `${'base'.repeat(128)}${'\0'.repeat(2 * CLUSTER)}`;
    expect(await read(blk, CLUSTER, 2 * CLUSTER + SECTOR)).toBe(expected);
  });

  test('RW-13: copies lose no write and no byte, whoever reads and writes beside them', async () => {
    const seed = chooseSeed();
    const random = randomNumbers(seed);
    await using blk = await filtered(overlay(base()));
    const model = Buffer.alloc(SIZE, 'base');
    for (let round = 0; round < 40; round += 1) {
      const first = random(SIZE / SECTOR - 8);
      const work = [0, 1, 2, 3, 4, 5, 6, 7].map(async (at) => {
        const offset = (first + at) * SECTOR + random(256);
        const bytes = 1 + random(256);
        if (random(3) === 0) {
          const data = letters(bytes, String.fromCharCode(97 + random(26)));
          data.copy(model, offset);
          await blk.pwrite(offset, data);
          return;
        }
        const expected = model.toString('latin1', offset, offset + bytes);
        expect({ seed, round, text: await read(blk, offset, bytes) }).toEqual({
          seed,
          round,
          text: expected,
        });
      });
      await Promise.all(work);
    }
    expect({ seed, same: (await read(blk, 0, SIZE)) === model.toString('latin1') }).toEqual({
      seed,
      same: true,
    });
    expect(probe('over').allocatedClusters).toBe(CLUSTERS);
  });

  test('TRK-4: a copying read excludes others from its clusters, and from no more', async () => {
    const { blk, dbg } = await debugged();
    dbg.breakpoint('cor_write', 'A');
    const first = read(blk, CLUSTER + SECTOR, SECTOR);
    await suspended(dbg, 'A');
    const inside = blk.pwrite(2 * CLUSTER - SECTOR, letters(SECTOR, 'w'));
    const reading = read(blk, CLUSTER, SECTOR);
    const beside = [
      blk.pwrite(CLUSTER - SECTOR, letters(SECTOR, 'w')),
      blk.pwrite(2 * CLUSTER, letters(SECTOR, 'w')),
    ];
    await Promise.all(beside);
    expect(await Promise.all([first, inside, reading].map(isSettled))).toEqual([
      false,
      false,
      false,
    ]);
    dbg.resume('A');
    expect(await first).toBe('base'.repeat(128));
    expect(await reading).toBe('base'.repeat(128));
    await inside;
    // Written after the copy, not under it.
    expect(await read(blk, 2 * CLUSTER - SECTOR, 2 * SECTOR)).toBe('w'.repeat(2 * SECTOR));
    expect(dbg.eventCount('cor_write')).toBe(1);
    await blk.close();
  });

  test('TRK-4: a serialising write excludes others from its clusters', async () => {
    const { blk, dbg } = await debugged();
    dbg.breakpoint('pwritev', 'A');
    const first = blk.pwrite(CLUSTER, letters(SECTOR, '1'), { serialising: true });
    await suspended(dbg, 'A');
    const inside = blk.pwrite(2 * CLUSTER - SECTOR, letters(SECTOR, '2'));
    await blk.pwrite(2 * CLUSTER, letters(SECTOR, '3'));
    expect(await Promise.all([first, inside].map(isSettled))).toEqual([false, false]);
    dbg.resume('A');
    await Promise.all([first, inside]);
    await blk.close();
  });

  test('TDRV-10: cor_write comes before the copy is written, and only then', async () => {
    const { blk, dbg } = await debugged();
    await read(blk, 0, SECTOR);
    expect(dbg.eventCount('cor_write')).toBe(1);
    await read(blk, 0, CLUSTER);
    expect(dbg.eventCount('cor_write')).toBe(1);
    dbg.breakpoint('cor_write', 'A');
    const stopped = read(blk, CLUSTER, SECTOR);
    await suspended(dbg, 'A');
    expect(probe('over').calls('pwrite')).toBe(1);
    dbg.resume('A');
    await stopped;
    expect(probe('over').calls('pwrite')).toBe(2);
    await blk.close();
  });

  test('TDRV-10: cor_write arms errors, and the reads of the copy raise none', async () => {
    const { blk } = await debugged({
      'inject-error': [{ event: 'cor_write', iotype: 'write', errno: 28, once: true }],
    });
    expect(await codeOf(blk.pread(0, Buffer.alloc(SECTOR)))).toBe('ENOSPC');
    expect(await codeOf(blk.pread(0, Buffer.alloc(SECTOR)))).toBe('none');
    await blk.close();
  });

  test('RW-13: nothing breaks the limits that blkdebug checks', async () => {
    for (const limits of [
      { align: 4096, 'max-transfer': 8192 },
      { align: SECTOR, 'opt-write-zero': 16384, 'max-write-zero': 32768 },
    ]) {
      const { blk, dbg } = await debugged(limits, { size: SIZE - SECTOR });
      expect(await read(blk, 1, SIZE - SECTOR - 2)).toBe(
        'base'.repeat(SIZE / 4).slice(1, SIZE - SECTOR - 1),
      );
      expect(dbg.limitViolations).toBe(0);
      await blk.close();
    }
  });

  test('MISC-3: compressed writes pass the filter, and end where the driver has none', async () => {
    const blk = await filtered(overlay(base(), { compress: true }));
    await blk.pwriteCompressed(0, letters(CLUSTER, 'c'));
    expect(probe('over').counters()).toMatchObject({ pwriteCompressed: 1, pwrite: 0 });
    await blk.close();
    await using none = await filtered(overlay(base()));
    expect(await codeOf(none.pwriteCompressed(0, letters(CLUSTER, 'c')))).toBe('ENOTSUP');
  });

  describe('with a bottom', () => {
    /** over (empty) -> middle (cluster 1) -> raw base */
    const chain = async (bottom: string) => {
      const middle = overlay(base(), { 'node-name': 'middle' });
      const setup = await BlockBackend.open(middle, settings());
      await setup.pwrite(CLUSTER, letters(CLUSTER, 'm'));
      const over = overlay('', { backing: 'middle' });
      const blk = await filtered(over, { bottom, 'node-name': 'cor' });
      await setup.close();
      return blk;
    };

    test('RW-13: only what comes from the bottom or above is copied', async () => {
      await using blk = await chain('middle');
      const expected = 'base'.repeat(CLUSTER / 4) + 'm'.repeat(CLUSTER);
      expect(await read(blk, 0, 2 * CLUSTER)).toBe(expected);
      expect([await ask(blk, 0), await ask(blk, CLUSTER)]).toEqual([false, true]);
      expect(probe('over').allocatedClusters).toBe(1);
    });

    test('RW-13: when the file itself is the bottom, nothing is copied', async () => {
      await using blk = await chain('over');
      await read(blk, 0, SIZE);
      expect(probe('over').allocatedClusters).toBe(0);
    });

    test('RW-13: a raw image is no filter, and may be the bottom', async () => {
      const file = { driver: 'file', filename: base() };
      await blockdevAdd({ driver: 'raw', 'node-name': 'raw', file });
      await using blk = await filtered(overlay('', { backing: 'raw' }), { bottom: 'raw' });
      expect(await read(blk, 0, 4)).toBe('base');
      expect(probe('over').allocatedClusters).toBe(1);
      await blk.close();
      await blockdevDel('raw');
    });

    test('GRAPH-18: the chain down to the bottom is frozen as long as the filter is there', async () => {
      const blk = await chain('middle');
      expect(probe('over').node.backing?.frozen).toBe(1);
      await blk.close();
    });

    test('GRAPH-18: a bottom that is missing, a filter or elsewhere is refused', async () => {
      const file = overlay(base());
      expect(await codeOf(filtered(file, { bottom: 'none' }))).toBe('EINVAL');
      await blockdevAdd({ driver: 'null-co', 'node-name': 'elsewhere' });
      const filter = { driver: 'x-probe', filter: true, 'node-name': 'filter' };
      await blockdevAdd({ ...filter, file: 'elsewhere' });
      expect(await codeOf(filtered(file, { bottom: 'filter' }))).toBe('EINVAL');
      expect(await codeOf(filtered(file, { bottom: 'elsewhere' }))).toBe('EINVAL');
      await blockdevDel('filter');
      await blockdevDel('elsewhere');
    });
  });

  test('GRAPH-13: a drive copies on read, unless it is read-only', async () => {
    const blk = await createDrive({ ...overlay(base()), 'copy-on-read': true }, settings());
    await read(blk, 0, SECTOR);
    expect(probe('over').allocatedClusters).toBe(1);
    await blk.close();
    const readOnly = { ...overlay(base()), 'read-only': true, 'copy-on-read': true };
    await expect(createDrive(readOnly, settings())).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringMatching(/read-only/),
    });
    expect(await codeOf(createDrive({ 'copy-on-read': true }, settings()))).toBe('EINVAL');
    expect(await codeOf(blockdevAdd({ ...overlay(base()), 'copy-on-read': true }))).toBe('EINVAL');
  });

  test('GRAPH-13: a node that copies on read cannot be made read-only', async () => {
    const options = { driver: 'x-probe', 'node-name': 'over' };
    const permissions = ['consistent-read'] as const;
    await using blk = await BlockBackend.open(options, { ...settings(), permissions });
    const readOnly = () => blockdevReopen([{ ...options, 'read-only': true }]);
    blk.root?.enableCopyOnRead();
    expect(await codeOf(readOnly())).toBe('EINVAL');
    expect(blk.root?.readOnly).toBe(false);
    blk.root?.disableCopyOnRead();
    expect(await codeOf(readOnly())).toBe('none');
    expect(() => blk.root?.enableCopyOnRead()).toThrow(/read-only/);
  });
});
