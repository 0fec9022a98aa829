import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend } from '../../lib/index.js';
import { attachLoop, describeWithLoop, detachLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { describeMounted, ramfs, remount, tinyTmpfs } from '../support/mounts.js';
import { codeOf, makeImage, openFlags } from '../support/requests.js';

const folder = realpathSync(scratchFolder());
const O_ACCMODE = 3;
const O_DIRECT = 0o40000;
const O_SYNC = 0o4010000;

onEveryEngineAndHome((context) => {
  const open = (filename: string, more = {}) =>
    BlockBackend.open({ driver: 'file', filename, ...more }, { context: context() });

  test('FILE-1: a folder, a device, and a file that is no device are refused', async () => {
    const filename = makeImage(folder, 'regular.img', 4096);
    expect(await codeOf(open(folder))).toBe('EISDIR');
    await expect(open(folder, { 'read-only': true })).rejects.toThrow('regular file');
    await expect(open('/dev/null')).rejects.toThrow('regular file');
    await expect(
      BlockBackend.open({ driver: 'host_device', filename }, { context: context() }),
    ).rejects.toThrow('block or character device');
    expect(openFlags(filename)).toEqual([]);
  });

  test('FILE-3: it is opened read-write, unless read-only is on', async () => {
    const filename = makeImage(folder, 'access.img', 4096);
    for (const readOnly of [false, true]) {
      await using blk = await open(filename, { 'read-only': readOnly });
      expect(openFlags(filename).map((flags) => flags & O_ACCMODE)).toEqual([readOnly ? 0 : 2]);
      expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
    }
  });

  test('FILE-6: cache.direct is O_DIRECT, write-through is no flag', async () => {
    const filename = makeImage(folder, 'flags.img', 4096);
    for (const direct of [false, true]) {
      await using blk = await open(filename, { cache: { direct } });
      blk.writeCache = false;
      expect(await blk.pwrite(0, Buffer.alloc(4096))).toBe(4096);
      const [flags = 0] = openFlags(filename);
      expect((flags & O_DIRECT) !== 0).toBe(direct);
      expect(flags & O_SYNC).toBe(0);
    }
  });

  test('FILE-7: buffered, any byte may be asked for', async () => {
    await using blk = await open(makeImage(folder, 'bytes.img', 4096));
    expect(blk.requestAlignment).toBe(1);
  });

  test('FILE-10: O_DIRECT: the odd end of a file, and zeroes after it', async () => {
    const filename = makeImage(folder, 'odd.img', 8192 + 1000);
    await using blk = await open(filename, { cache: { direct: true }, 'read-only': true });
    const buffer = blk.allocate(9216).fill(1);
    expect(await blk.getLength()).toBe(9216);
    expect(await blk.pread(0, buffer)).toBe(9216);
    const expected = Buffer.concat([Buffer.alloc(9192, 0x64), Buffer.alloc(24)]);
    expect(buffer.equals(expected)).toBe(true);
    const last = Buffer.alloc(100, 1);
    expect(await blk.pread(9116, last)).toBe(100);
    expect(last.equals(expected.subarray(9116))).toBe(true);
  });

  test('FILE-25: what a truncate adds reads as zeroes', async () => {
    const filename = makeImage(folder, 'added.img', 4096);
    await using blk = await BlockBackend.open(
      { driver: 'file', filename },
      { context: context(), resize: true },
    );
    await blk.truncate(1024);
    await blk.truncate(65536);
    const content = Buffer.alloc(65536, 1);
    expect(await blk.pread(0, content)).toBe(65536);
    expect(content.equals(Buffer.alloc(65536).fill(0x64, 0, 1024))).toBe(true);
  });
});

const sealed = tinyTmpfs(1 << 20);
const memory = tinyTmpfs(1 << 20);
const plain = ramfs();

describeMounted('on other file systems', plain, () => {
  onEveryEngineAndHome((context) => {
    const open = (filename: string, more = {}) =>
      BlockBackend.open({ driver: 'file', filename, ...more }, { context: context() });

    test('FILE-2: a read-only file system is EACCES', async () => {
      remount(sealed, 'rw');
      const filename = makeImage(sealed.folder, 'sealed.img', 4096);
      remount(sealed, 'ro');
      expect(await codeOf(open(filename))).toBe('EACCES');
      await using blk = await open(filename, { 'read-only': true });
      expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
    });

    test('FILE-7: a file system that takes any O_DIRECT read tells nothing: 4096', async () => {
      const filename = makeImage(memory.folder, 'direct.img', 65536);
      await using blk = await open(filename, { cache: { direct: true } });
      expect(blk.requestAlignment).toBe(4096);
      expect(await blk.pwrite(100, Buffer.alloc(100, 1))).toBe(100);
      const expected = Buffer.alloc(65536, 0x64).fill(1, 100, 200);
      expect(readFileSync(filename).equals(expected)).toBe(true);
    });

    test.each([memory, plain])(
      'FILE-12: zero-writes work where zero-range does not (%#)',
      async (place) => {
        const filename = makeImage(place.folder, 'zeroes.img', 65536);
        await using blk = await open(filename);
        expect(await blk.pwriteZeroes(1000, 10_000)).toBe(0);
        expect(await blk.pwriteZeroes(20_000, 10_000, { mayUnmap: true })).toBe(0);
        const expected = Buffer.alloc(65536, 0x64).fill(0, 1000, 11_000).fill(0, 20_000, 30_000);
        expect(readFileSync(filename).equals(expected)).toBe(true);
      },
    );

    test('DISC-12: a discard that is ENOTSUP counts as failed, each time', async () => {
      const filename = makeImage(plain.folder, 'failed.img', 65536);
      await using blk = await open(filename, { discard: 'unmap' });
      for (let count = 0; count < 3; count += 1) await blk.pdiscard(0, 4096);
      const { discardOk, discardFailed, discardBytesOk } = blk.root?.info() ?? {};
      expect([discardOk, discardFailed, discardBytesOk]).toEqual([0, 3, 0]);
    });

    test('FILE-14: where no hole can be punched a discard does nothing, and is tried once', async () => {
      const filename = makeImage(plain.folder, 'discard.img', 65536);
      await using blk = await open(filename, { discard: 'unmap' });
      expect(await blk.pdiscard(0, 4096)).toBe(0);
      expect(await blk.pdiscard(0, 4096)).toBe(0);
      expect(blk.root?.info()).toMatchObject({ discardOk: 0, discardFailed: 2 });
      expect(readFileSync(filename).equals(Buffer.alloc(65536, 0x64))).toBe(true);
    });
  });
});

describeWithLoop('on a file system with sectors of its own', () => {
  test.each([512, 4096])('FILE-7: of %i bytes, the probe finds them', async (sector) => {
    const { execFileSync } = await import('node:child_process');
    const image = makeImage(folder, `disk${sector}.img`, 16 * 1024 * 1024, 0);
    const device = attachLoop(image, '--sector-size', String(sector), '--direct-io=on');
    const place = join(folder, `disk${sector}`);
    mkdirSync(place);
    try {
      execFileSync('mkfs.ext4', ['-q', '-F', device], { stdio: 'pipe' });
      execFileSync('mount', [device, place]);
      const filename = makeImage(place, 'probed.img', 65536);
      {
        await using blk = await BlockBackend.open({
          driver: 'file',
          filename,
          cache: { direct: true },
        });
        expect(blk.requestAlignment).toBe(sector);
        expect(await blk.pwrite(sector - 1, Buffer.alloc(2, 1))).toBe(2);
      }
      const expected = Buffer.alloc(65536, 0x64).fill(1, sector - 1, sector + 1);
      expect(readFileSync(filename).equals(expected)).toBe(true);
    } finally {
      execFileSync('umount', ['-l', place]);
      detachLoop(device);
    }
  });
});
