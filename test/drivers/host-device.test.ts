import { readFileSync } from 'node:fs';
import { BlockBackend } from '../../lib/index.js';
import { attachLoop, describeWithLoop, detachLoop, resizeLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage, submittedBy } from '../support/requests.js';

const folder = scratchFolder();
const SIZE = 1024 * 1024;

describeWithLoop('host_device', () => {
  describe.each([512, 4096])('with sectors of %i bytes', (sector) => {
    let device: string;
    let image: string;
    beforeAll(() => {
      image = makeImage(folder, `sectors${sector}.img`, SIZE);
      device = attachLoop(image, '--sector-size', String(sector));
    });
    afterAll(() => detachLoop(device));

    onEveryEngineAndHome((context) => {
      const open = (direct = true, more = {}) =>
        BlockBackend.open(
          { driver: 'host_device', filename: device, cache: { direct }, ...more },
          { context: context(), resize: true },
        );

      test('FILE-1: a device is not for the driver file', async () => {
        const options = { driver: 'file', filename: device };
        await expect(BlockBackend.open(options, { context: context() })).rejects.toThrow(
          'regular file',
        );
      });

      test('FILE-7: the sector size is the alignment under O_DIRECT, 1 in the page cache', async () => {
        await using blk = await open();
        expect(blk.requestAlignment).toBe(sector);
        expect(await blk.getLength()).toBe(SIZE);
        await using cached = await BlockBackend.open(
          { driver: 'host_device', filename: device, 'read-only': true },
          { context: context() },
        );
        expect(cached.requestAlignment).toBe(1);
      });

      test('ZERO-9: misaligned bytes on a device leave their neighbours alone', async () => {
        await using blk = await open();
        await blk.pwrite(0, Buffer.alloc(65536, 0x64));
        expect(await blk.pwriteZeroes(1000, 20_000)).toBe(0);
        const content = Buffer.alloc(65536);
        expect(await blk.pread(0, content)).toBe(65536);
        expect(content.equals(Buffer.alloc(65536, 0x64).fill(0, 1000, 21_000))).toBe(true);
      });

      test('FILE-16: in the page cache zeroes are written, not left to the kernel', async () => {
        await using blk = await open(false);
        const submitted = await submittedBy(context(), () => blk.pwriteZeroes(0, 65536));
        expect(submitted.write).toBe(1);
        const content = Buffer.alloc(65536, 1);
        await blk.pread(0, content);
        expect(content.equals(Buffer.alloc(65536))).toBe(true);
      });

      test('ZERO-2: a device refuses no-fallback', async () => {
        await using blk = await open();
        expect(await codeOf(blk.pwriteZeroes(0, 65536, { noFallback: true }))).toBe('ENOTSUP');
      });

      test('TRUNC-12: a device keeps its size', async () => {
        await using blk = await open();
        expect(await codeOf(blk.truncate(SIZE / 2))).toBe('ENOTSUP');
        expect(await codeOf(blk.truncate(2 * SIZE))).toBe('EINVAL');
        expect(await codeOf(blk.truncate(2 * SIZE, { exact: false }))).toBe('EINVAL');
        expect(await codeOf(blk.truncate(2 * SIZE, { preallocation: 'falloc' }))).toBe('ENOTSUP');
        expect(await blk.truncate(SIZE / 2, { exact: false })).toBe(0);
        expect(await blk.truncate(SIZE)).toBe(0);
        expect(await blk.getLength()).toBe(SIZE);
      });

      // As in QEMU, a device is asked at the open and by each truncate, not by each request.
      test('FILE-11: the length of a device that grows is where a seek to its end gets', async () => {
        const growing = makeImage(folder, 'growing.img', SIZE);
        const loop = attachLoop(growing, '--sector-size', String(sector));
        try {
          await using blk = await BlockBackend.open(
            { driver: 'host_device', filename: loop, locking: 'off', cache: { direct: true } },
            { context: context(), resize: true },
          );
          expect(await blk.getLength()).toBe(SIZE);
          resizeLoop(loop, growing, 2 * SIZE);
          const block = Buffer.alloc(sector, 0x67);
          expect(await codeOf(blk.pwrite(SIZE, block))).toBe('EIO');
          expect(await codeOf(blk.truncate(2 * SIZE + sector))).toBe('EINVAL');
          expect(await blk.truncate(2 * SIZE)).toBe(0);
          expect(await blk.getLength()).toBe(2 * SIZE);
          expect(await blk.pwrite(2 * SIZE - sector, block)).toBe(sector);
          await blk.flush();
          expect(readFileSync(growing).subarray(-sector).equals(block)).toBe(true);
          resizeLoop(loop, growing, SIZE / 2);
          expect(await codeOf(blk.truncate(SIZE))).toBe('EINVAL');
          expect(await blk.truncate(SIZE / 2)).toBe(0);
          expect(await blk.getLength()).toBe(SIZE / 2);
          expect(await codeOf(blk.pread(SIZE / 2, block))).toBe('EIO');
          resizeLoop(loop, growing, 3 * SIZE);
          await using other = await BlockBackend.open(
            { driver: 'host_device', filename: loop, locking: 'off', 'read-only': true },
            { context: context() },
          );
          expect(await other.getLength()).toBe(3 * SIZE);
        } finally {
          detachLoop(loop);
        }
      });

      test('DISC-5: a discard reaches the device', async () => {
        await using blk = await open(true, { discard: 'unmap' });
        await blk.pwrite(0, Buffer.alloc(65536, 0x64));
        await blk.flush();
        expect(await blk.pdiscard(0, 65536)).toBe(0);
        expect(blk.root?.info()).toMatchObject({ discardOk: 1, discardBytesOk: 65536 });
        expect(readFileSync(image).subarray(0, 65536).equals(Buffer.alloc(65536))).toBe(true);
      });
    });
  });
});
