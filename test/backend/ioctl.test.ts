import { BlockBackend } from '../../lib/index.js';
import { attachLoop, describeWithLoop, detachLoop } from '../support/loop-devices.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeOf, makeImage } from '../support/requests.js';

const folder = scratchFolder();
const BLKGETSIZE64 = 0x80081272;
const BLKSSZGET = 0x1268;

onEveryEngineAndHome((context) => {
  test('MISC-1: no medium ENOMEDIUM, a driver without it ENOTSUP', async () => {
    const size = Buffer.alloc(8);
    const empty = new BlockBackend({ context: context() });
    expect(await codeOf(empty.ioctl(BLKGETSIZE64, size))).toBe('ENOMEDIUM');
    await empty.close();
    const options = [rawOptions(makeImage(folder, 'ioctl.img', 65536)), { driver: 'null-co' }];
    for (const unable of options) {
      await using blk = await BlockBackend.open(unable, { context: context() });
      expect(await codeOf(blk.ioctl(BLKGETSIZE64, size))).toBe('ENOTSUP');
    }
  });
});

describeWithLoop('on a loop device', () => {
  let device: string;
  beforeAll(() => {
    device = attachLoop(makeImage(folder, 'loop.img', 1024 * 1024));
  });
  afterAll(() => detachLoop(device));

  onEveryEngineAndHome((context) => {
    test('MISC-1: raw passes it on, and refuses it with offset or size', async () => {
      const size = Buffer.alloc(8);
      const file = { driver: 'host_device', filename: device };
      const settings = { context: context() };
      {
        await using blk = await BlockBackend.open({ driver: 'raw', file }, settings);
        expect(await blk.ioctl(BLKGETSIZE64, size)).toBe(0);
        expect(size.readBigUInt64LE()).toBe(1048576n);
      }
      for (const window of [{ offset: 512 }, { size: 65536 }]) {
        await using blk = await BlockBackend.open({ driver: 'raw', file, ...window }, settings);
        expect(await codeOf(blk.ioctl(BLKGETSIZE64, size))).toBe('ENOTSUP');
      }
    });

    test('MISC-2: it completes like any other request', async () => {
      await using blk = await BlockBackend.open(
        { driver: 'host_device', filename: device },
        { context: context() },
      );
      const sector = Buffer.alloc(4);
      let returned = false;
      const seen = await new Promise<unknown[]>((resolve) => {
        blk.aio.ioctl(BLKSSZGET, sector, (error, result) => {
          resolve([returned, error, result, blk.inFlight, sector.readUInt32LE()]);
        });
        returned = true;
      });
      expect(seen).toEqual([true, null, 0, 1, 512]);
      expect(blk.ioctlSync(BLKSSZGET, sector)).toBe(0);
    });
  });
});
