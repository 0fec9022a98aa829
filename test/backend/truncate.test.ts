import { readFileSync, statSync } from 'node:fs';
import { BlockBackend, probe } from '../../lib/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { describeMounted, tinyTmpfs } from '../support/mounts.js';
import { codeOf, makeImage } from '../support/requests.js';
import { isSettled, turn, until } from '../support/waiting.js';

const folder = scratchFolder();
const KIB = 1024;

onEveryEngineAndHome((context) => {
  const open = (filename: string, resize = true) =>
    BlockBackend.open(
      { driver: 'raw', file: { driver: 'file', filename } },
      { context: context(), resize },
    );

  test('TRUNC-1: without a medium ENOMEDIUM', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.truncate(4096))).toBe('ENOMEDIUM');
    await empty.close();
  });

  test('TRUNC-1: a drained section does not hold it back', async () => {
    await using blk = await open(makeImage(folder, 'drained.img', 4096));
    const section = await blk.drained();
    expect(await blk.truncate(8192)).toBe(0);
    expect(blk.parked).toBe(0);
    section.end();
    expect(await blk.getLength()).toBe(8192);
  });

  test('TRUNC-1: one in flight counts: sections and close() wait for it, and for its callback', async () => {
    const blk = await BlockBackend.open(
      { driver: 'x-probe', 'node-name': 't', size: 4096 },
      { context: context(), resize: true },
    );
    const order: string[] = [];
    const hold = async (size: number, name: string) => {
      probe('t').hold('truncate', 'A');
      blk.aio.truncate(size, () => order.push(name));
      await until(() => probe('t').held('A') === 1);
    };
    await hold(8192, 'before');
    const begun = blk.drained();
    void begun.then(() => order.push('quiet'));
    expect(await isSettled(begun)).toBe(false);
    expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([1, 0, 1]);
    probe('t').release('A');
    const section = await begun;
    await hold(512, 'inside');
    expect([blk.inFlight, blk.parked, blk.quiesceCount]).toEqual([1, 0, 1]);
    section.end();
    const closed = blk.close();
    void closed.then(() => order.push('closed'));
    expect(await isSettled(closed)).toBe(false);
    probe('t').release('A');
    await closed;
    expect(order).toEqual(['before', 'quiet', 'inside', 'closed']);
  });

  test('TRUNC-1: no section is quiet before the callback of one that fails at once', async () => {
    await using empty = new BlockBackend({ context: context() });
    const order: string[] = [];
    for (let round = 0; round < 200; round += 1) {
      empty.aio.truncate(4096, () => order.push('told'));
      const section = await empty.drained();
      order.push('quiet');
      section.end();
      // So that the home sleeps, and the section begins while it wakes.
      for (let turns = 0; turns < 5; turns += 1) await turn();
    }
    expect(order).toEqual(Array(200).fill(['told', 'quiet']).flat());
  });

  test('TRUNC-2: negative EINVAL, too large EIO, read-only EACCES, unsupported ENOTSUP', async () => {
    const filename = makeImage(folder, 'refused.img', 4096);
    {
      await using blk = await open(filename);
      expect(await codeOf(blk.truncate(-1))).toBe('EINVAL');
      expect(await codeOf(blk.truncate(2n ** 63n - 2n ** 30n + 1024n))).toBe('EIO');
      expect(await codeOf(blk.truncate(2n ** 63n - 1024n))).toBe('EIO');
      expect(await blk.getLength()).toBe(4096);
    }
    {
      await using sealed = await BlockBackend.open(
        { driver: 'raw', 'read-only': true, file: { driver: 'file', filename } },
        { context: context() },
      );
      expect(await codeOf(sealed.truncate(8192))).toBe('EACCES');
    }
    await using none = await BlockBackend.open(
      { driver: 'raw', file: { driver: 'null-co' } },
      { context: context(), resize: true },
    );
    expect(await codeOf(none.truncate(8192))).toBe('ENOTSUP');
    expect(statSync(filename).size).toBe(4096);
  });

  test('TRUNC-4: success updates the length of every node', async () => {
    await using blk = await open(makeImage(folder, 'nodes.img', 4096));
    expect(await blk.truncate(16384)).toBe(0);
    expect(blk.root?.info().length).toBe(16384);
    expect(blk.root?.children[0]?.edge.child.info().length).toBe(16384);
    expect(await blk.pread(12288, Buffer.alloc(4096))).toBe(4096);
    expect(await blk.truncate(512)).toBe(0);
    expect(await codeOf(blk.pread(0, Buffer.alloc(513)))).toBe('EIO');
  });

  test('TRUNC-6: growing below a longer backing file zeroes the new area, or is ENOTSUP', async () => {
    const longer = makeImage(folder, 'longer.img', 192 * KIB);
    const overlay = (more = {}) =>
      BlockBackend.open(
        {
          driver: 'x-probe',
          size: 64 * KIB,
          backing: { driver: 'file', filename: longer },
          ...more,
        },
        { context: context(), resize: true },
      );
    const bytesOf = async (blk: BlockBackend, offset: number) => {
      const buffer = Buffer.alloc(1);
      await blk.pread(offset, buffer);
      return buffer[0];
    };
    {
      await using blk = await overlay();
      expect(await blk.truncate(128 * KIB)).toBe(0);
      expect(await bytesOf(blk, 64 * KIB - 1)).toBe(0x64);
      expect(await bytesOf(blk, 64 * KIB)).toBe(0);
      expect(await bytesOf(blk, 128 * KIB - 1)).toBe(0);
    }
    await using blk = await overlay({ 'truncate-zeroes': false });
    await expect(blk.truncate(128 * KIB)).rejects.toMatchObject({
      code: 'ENOTSUP',
      message: expect.stringContaining('cannot make the new area read as zeroes'),
    });
    expect(await blk.getLength()).toBe(64 * KIB);
    // Shrinking adds nothing, and without a backing file nothing shows through.
    expect(await blk.truncate(32 * KIB)).toBe(0);
    await using alone = await overlay({ 'truncate-zeroes': false, backing: null });
    expect(await alone.truncate(128 * KIB)).toBe(0);
  });

  test('NEW-3: a truncate may ask for zeroes; exact ones and those of devices differ', async () => {
    await using blk = await open(makeImage(folder, 'zeroes.img', 4096));
    expect(await blk.truncate(16384, { zero: true })).toBe(0);
    const buffer = Buffer.alloc(12288, 1);
    await blk.pread(4096, buffer);
    expect(buffer.equals(Buffer.alloc(12288))).toBe(true);
    expect(blk.truncateSync(20480, { zero: true, exact: false })).toBe(0);
    await using never = await BlockBackend.open(
      { driver: 'x-probe', size: 4096, 'truncate-zeroes': false },
      { context: context(), resize: true },
    );
    expect(await codeOf(never.truncate(8192, { zero: true }))).toBe('ENOTSUP');
    expect(await codeOf(never.truncate(8192, { zero: true, exact: false }))).toBe('ENOTSUP');
    expect(await never.truncate(8192, { exact: false })).toBe(0);
  });

  test('TRUNC-5: a resize to 1000 gives a file of 1000 and a length of 1024', async () => {
    const filename = makeImage(folder, 'odd.img', 4096);
    await using blk = await open(filename);
    expect(await blk.truncate(1000)).toBe(0);
    expect(statSync(filename).size).toBe(1000);
    expect(await blk.getLength()).toBe(1024);
  });

  test.each([65536, 4096, 1024])(
    'TRUNC-7: growing an empty file to %i writes one block',
    async (size) => {
      const filename = makeImage(folder, 'empty.img', 0);
      await using blk = await open(filename);
      expect(await blk.truncate(size)).toBe(0);
      const { size: length, blocks } = statSync(filename);
      expect(length).toBe(size);
      expect(blocks * 512).toBe(4096);
      expect(readFileSync(filename).equals(Buffer.alloc(size))).toBe(true);
      // A file that was not empty gets none.
      const grown = makeImage(folder, 'grown.img', 4096);
      await using other = await open(grown);
      expect(await other.truncate(65536)).toBe(0);
      expect(statSync(grown).blocks * 512).toBe(4096);
    },
  );

  test('TRUNC-8: shrinking with preallocation is ENOTSUP and changes nothing', async () => {
    const filename = makeImage(folder, 'shrink.img', 8192);
    await using blk = await open(filename);
    for (const preallocation of ['metadata', 'falloc', 'full'] as const) {
      expect(await codeOf(blk.truncate(4096, { preallocation }))).toBe('ENOTSUP');
    }
    expect(statSync(filename).size).toBe(8192);
    expect(await blk.truncate(4096, { preallocation: 'off' })).toBe(0);
    expect(statSync(filename).size).toBe(4096);
  });

  test.each(['falloc', 'full'] as const)(
    'TRUNC-16: growing with %s allocates what it adds',
    async (preallocation) => {
      const filename = makeImage(folder, 'allocated.img', 4096);
      await using blk = await open(filename);
      expect(await blk.truncate(1024 * KIB, { preallocation })).toBe(0);
      expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(1024 * KIB);
      const expected = Buffer.concat([Buffer.alloc(4096, 0x64), Buffer.alloc(1020 * KIB)]);
      expect(readFileSync(filename).equals(expected)).toBe(true);
    },
  );

  test('TRUNC-9: falloc to the same size succeeds', async () => {
    const filename = makeImage(folder, 'same.img', 4096);
    await using blk = await open(filename);
    expect(await blk.truncate(4096, { preallocation: 'falloc' })).toBe(0);
    expect(statSync(filename).size).toBe(4096);
  });

  test('TRUNC-10: full goes from the old end, odd or not', async () => {
    const filename = makeImage(folder, 'full.img', 1000);
    await using blk = await open(filename);
    expect(await blk.truncate(200_000, { preallocation: 'full' })).toBe(0);
    const expected = Buffer.concat([Buffer.alloc(1000, 0x64), Buffer.alloc(199_000)]);
    expect(readFileSync(filename).equals(expected)).toBe(true);
  });

  test('TRUNC-11: metadata is ENOTSUP', async () => {
    const filename = makeImage(folder, 'metadata.img', 4096);
    await using blk = await open(filename);
    expect(await codeOf(blk.truncate(8192, { preallocation: 'metadata' }))).toBe('ENOTSUP');
    expect(await codeOf(blk.truncate(4096, { preallocation: 'metadata' }))).toBe('ENOTSUP');
    expect(statSync(filename).size).toBe(4096);
  });

  test('TRUNC-15: too large for the file system is its error, and changes nothing', async () => {
    const filename = makeImage(folder, 'large.img', 4096);
    await using blk = await open(filename);
    expect(await codeOf(blk.truncate(2n ** 62n))).toBe('EFBIG');
    expect(statSync(filename).size).toBe(4096);
    expect(await blk.getLength()).toBe(4096);
  });
});

const small = tinyTmpfs(256 * KIB);

describeMounted('on a file system that is full', small, () => {
  onEveryEngineAndHome((context) => {
    const failsToGrow = async (preallocation: 'falloc' | 'full') => {
      const filename = makeImage(small.folder, 'full.img', 8192);
      await using blk = await BlockBackend.open(
        { driver: 'file', filename },
        { context: context(), resize: true },
      );
      expect(await codeOf(blk.truncate(1024 * KIB, { preallocation }))).toBe('ENOSPC');
      expect(statSync(filename).size).toBe(8192);
      expect(await blk.getLength()).toBe(8192);
      expect(readFileSync(filename).equals(Buffer.alloc(8192, 0x64))).toBe(true);
    };

    test('TRUNC-9: a failed falloc restores the old length', () => failsToGrow('falloc'));
    test('TRUNC-10: a failed full preallocation restores the old length', () =>
      failsToGrow('full'));
  });
});
