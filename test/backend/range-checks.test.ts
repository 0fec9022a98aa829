import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf, codeThrown, makeImage } from '../support/requests.js';
import { until } from '../support/waiting.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Address space only: nobody touches it. */
const huge = new SharedArrayBuffer(2 ** 31);

onEveryEngineAndHome((context) => {
  let filename: string;
  beforeAll(() => {
    filename = makeImage(folder, 'mib.img', MIB);
  });
  const open = () => BlockBackend.open(rawOptions(filename), { context: context() });

  test('REQ-1: size, then medium, then offset and end', async () => {
    const empty = new BlockBackend({ context: context() });
    const tooLong = new Uint8Array(huge);
    const sector = new Uint8Array(512);
    expect(await codeOf(empty.pread(-1, sector))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.pwrite(-1, sector))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.pdiscard(-1, 512))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.pwriteZeroes(-1, 512))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.pread(0, tooLong))).toBe('EIO');
    expect(await codeOf(empty.pwrite(0, tooLong))).toBe('EIO');
    expect(codeThrown(() => empty.preadSync(-1, sector))).toBe('ENOMEDIUM');
    expect(codeThrown(() => empty.preadSync(0, tooLong))).toBe('EIO');
    await empty.close();
    await using blk = await open();
    expect(await codeOf(blk.pread(-1, sector))).toBe('EIO');
    expect(await codeOf(blk.pwrite(-1, sector))).toBe('EIO');
    expect(await codeOf(blk.pread(2 * MIB, sector))).toBe('EIO');
    expect(await codeOf(blk.pwriteZeroes(MIB, 512))).toBe('EIO');
    expect(await codeOf(blk.pdiscard(MIB, 512))).toBe('EIO');
  });

  test('REQ-2: a negative size is EIO, without a medium too', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.pwriteZeroes(0, -1))).toBe('EIO');
    expect(await codeOf(empty.pdiscard(0, -1))).toBe('EIO');
    await empty.close();
    await using blk = await open();
    expect(await codeOf(blk.pwriteZeroes(0, -1))).toBe('EIO');
    expect(await codeOf(blk.pdiscard(0, -1))).toBe('EIO');
  });

  test('REQ-3: zero-length at the end succeeds, past the end it is EIO', async () => {
    await using blk = await open();
    const nothing = new Uint8Array(0);
    expect(await blk.pread(MIB, nothing)).toBe(0);
    expect(await blk.pwrite(MIB, nothing)).toBe(0);
    expect(await blk.pwriteZeroes(MIB, 0)).toBe(0);
    expect(await blk.pdiscard(MIB, 0)).toBe(0);
    expect(await codeOf(blk.pread(2 * MIB, nothing))).toBe('EIO');
    expect(await codeOf(blk.pwrite(MIB + 1, nothing))).toBe('EIO');
    expect(await blk.pread(MIB - 512, new Uint8Array(512))).toBe(512);
    expect(await codeOf(blk.pread(MIB - 512, new Uint8Array(513)))).toBe('EIO');
  });

  test('REQ-4: a request that straddles the end fails as a whole', async () => {
    await using blk = await open();
    const buffer = Buffer.alloc(1024, 0x77);
    expect(await codeOf(blk.pwrite(MIB - 512, buffer))).toBe('EIO');
    expect(await codeOf(blk.pwriteZeroes(MIB - 512, 1024))).toBe('EIO');
    expect(await codeOf(blk.pread(MIB - 512, buffer))).toBe('EIO');
    expect(buffer.equals(Buffer.alloc(1024, 0x77))).toBe(true);
    const tail = Buffer.alloc(512);
    await blk.pread(MIB - 512, tail);
    expect(tail.equals(Buffer.alloc(512, 0x64))).toBe(true);
  });

  test('REQ-6: transfers above 2147483136 bytes are EIO, zero-writes and discards are not', async () => {
    const sparse = makeImage(folder, 'sparse.img', 0);
    truncateSync(sparse, 4 * GIB);
    await using blk = await BlockBackend.open(
      { ...rawOptions(sparse), discard: 'unmap' },
      { context: context() },
    );
    expect(await codeOf(blk.pread(0, new Uint8Array(huge, 0, 2147483137)))).toBe('EIO');
    expect(await codeOf(blk.pwrite(0, new Uint8Array(huge, 0, 2147483137)))).toBe('EIO');
    expect(await blk.pwriteZeroes(0, 3 * GIB, { mayUnmap: true })).toBe(0);
    expect(await blk.pdiscard(0, 3 * GIB)).toBe(0);
    await using none = await BlockBackend.open(
      { driver: 'null-co', size: 4 * GIB },
      { context: context() },
    );
    expect(await none.pwrite(0, new Uint8Array(huge, 0, 2147483136))).toBe(2147483136);
  });

  test('REQ-6: ranges above 2^63 - 2^30 are EIO even where the end is not checked', async () => {
    await using blk = await open();
    blk.allowWriteBeyondEnd = true;
    const last = 2n ** 63n - 2n ** 30n;
    expect(await codeOf(blk.pread(last, new Uint8Array(512)))).toBe('EIO');
    expect(await codeOf(blk.pdiscard(last - 1024n, 2048))).toBe('EIO');
    expect(await codeOf(blk.pdiscard(0, last + 1024n))).toBe('EIO');
    expect(await blk.pdiscard(0, last)).toBe(0);
    expect(await blk.pread(last - 1024n, new Uint8Array(512).fill(1))).toBe(512);
  });

  test('REQ-8: beyond-end reads give zeroes, and writes grow where that is permitted', async () => {
    const image = makeImage(folder, 'grow.img', 8192);
    const options = rawOptions(image);
    {
      await using blk = await BlockBackend.open(options, { context: context() });
      blk.allowWriteBeyondEnd = true;
      const buffer = Buffer.alloc(8192, 1);
      expect(await blk.pread(4096, buffer)).toBe(8192);
      expect(buffer.subarray(0, 4096).equals(Buffer.alloc(4096, 0x64))).toBe(true);
      expect(buffer.subarray(4096).equals(Buffer.alloc(4096))).toBe(true);
      expect(await codeOf(blk.pwrite(8192, Buffer.alloc(4096)))).toBe('EPERM');
      expect(await codeOf(blk.pwriteZeroes(8192, 4096))).toBe('EPERM');
      expect(await blk.getLength()).toBe(8192);
    }
    await using blk = await BlockBackend.open(options, { context: context(), resize: true });
    expect(await codeOf(blk.pwrite(8192, Buffer.alloc(4096)))).toBe('EIO');
    blk.allowWriteBeyondEnd = true;
    expect(await blk.pwrite(12288, Buffer.alloc(4096, 2))).toBe(4096);
    expect(await blk.getLength()).toBe(16384);
    expect(await blk.pwriteZeroes(20480, 4096)).toBe(0);
    expect(await blk.getLength()).toBe(24576);
    blk.allowWriteBeyondEnd = false;
    const all = Buffer.alloc(24576, 1);
    await blk.pread(0, all);
    const expected = Buffer.concat([
      Buffer.alloc(8192, 0x64),
      Buffer.alloc(4096),
      Buffer.alloc(4096, 2),
      Buffer.alloc(8192),
    ]);
    expect(all.equals(expected)).toBe(true);
  });

  // QEMU's callers say a size beside the vector, which may be too short (EIO) or too long (fatal).
  test('REQ-7: a request is as long as its vector, which can be neither too short nor too long', async () => {
    await using blk = await open();
    const vector = [Buffer.alloc(512), Buffer.alloc(0), Buffer.alloc(1024)];
    expect(await blk.preadv(MIB - 1536, vector)).toBe(1536);
    expect(await blk.pwritev(MIB - 1536, vector)).toBe(1536);
    expect(await codeOf(blk.preadv(MIB - 1535, vector))).toBe('EIO');
    const results: number[] = [];
    blk.aio.pwritev(MIB - 1536, vector, (_, result) => results.push(result));
    blk.aio.preadv(MIB - 1535, vector, (_, result) => results.push(result));
    await using _section = await blk.drained();
    expect(new Set(results)).toEqual(new Set([-5, 1536]));
  });

  test('REQ-9: without a medium there is no length', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.getLength())).toBe('ENOMEDIUM');
    expect(codeThrown(() => empty.getLengthSync())).toBe('ENOMEDIUM');
    await empty.close();
  });

  test('REQ-9: with an open tray there is no length, and a number of sectors all the same', async () => {
    const blk = await BlockBackend.open(fastDisk({ size: 4096 }), { context: context() });
    blk.setDeviceOps({ isTrayOpen: () => true });
    blk.eject(true);
    expect(await codeOf(blk.getLength())).toBe('ENOMEDIUM');
    expect([await blk.nbSectors(), blk.nbSectorsSync()]).toEqual([8, 8]);
    await blk.close();
  });

  test('REQ-9: without a medium there is no number of sectors', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.nbSectors())).toBe('ENOMEDIUM');
    expect(codeThrown(() => empty.nbSectorsSync())).toBe('ENOMEDIUM');
    await empty.close();
  });

  test('REQ-11: a 1000-byte file has 1024 bytes', async () => {
    const odd = makeImage(folder, 'odd.img', 1000);
    const settings = { context: context(), permissions: ['consistent-read'] as const };
    await using blk = await BlockBackend.open(rawOptions(odd), settings);
    expect(await blk.getLength()).toBe(1024);
    expect(blk.getLengthSync()).toBe(1024);
    expect(blk.root?.info().length).toBe(1024);
  });

  test('REQ-12: a backend is available while it has a medium', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(empty.info().available).toBe(false);
    await empty.close();
    const blk = await open();
    expect(blk.info().available).toBe(true);
    await blk.close();
    expect(blk.info().available).toBe(false);
  });

  test('REQ-13: flush, ioctl and truncate ask for a medium and nothing else', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.flush())).toBe('ENOMEDIUM');
    expect(await codeOf(empty.ioctl(0x1261))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.truncate(-1))).toBe('ENOMEDIUM');
    expect(await codeOf(empty.truncate(2n ** 63n - 1024n))).toBe('ENOMEDIUM');
    await empty.close();
  });

  test('REQ-14: what a drained section held back is checked when it runs', async () => {
    const image = makeImage(folder, 'held.img', 8192);
    await using blk = await BlockBackend.open(rawOptions(image), {
      context: context(),
      resize: true,
    });
    const section = await blk.drained();
    const inside = blk.pread(8192, new Uint8Array(4096));
    const outside = codeOf(blk.pread(12288, new Uint8Array(4096)));
    await until(() => blk.parked === 2);
    await blk.truncate(12288);
    section.end();
    expect(await inside).toBe(4096);
    expect(await outside).toBe('EIO');
  });

  test('REQ-14: what was held back when the backend closes is ENOMEDIUM', async () => {
    const blk = await BlockBackend.open(rawOptions(join(folder, 'mib.img')), {
      context: context(),
    });
    const section = await blk.drained();
    const held = codeOf(blk.pread(0, new Uint8Array(512)));
    const closed = blk.close();
    expect(await held).toBe('ENOMEDIUM');
    section.end();
    await closed;
  });
});
