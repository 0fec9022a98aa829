// What devices are told and which events come when media are changed: the catalogue's order, however
// long each step takes and whatever the guest does meanwhile.
import {
  AioContext,
  BlockBackend,
  blockdevChangeMedium,
  blockResize,
  blockSetWriteThreshold,
  eject,
} from '../../lib/index.js';
import { CdDrive, recordEvents, recordTray } from '../support/cd-drive.js';
import { combinations, scratchFolder } from '../support/matrix.js';
import { chooseSeed, type Random, randomNumbers } from '../support/random.js';
import { codeOf, makeImage } from '../support/requests.js';

const REPETITIONS = 1000;
const OPENED = ['unload', 'tray open'];
const CLOSED = ['load', 'tray closed'];
const folder = scratchFolder();

/** A device that takes its time, and a guest that reads. */
class SlowDrive extends CdDrive {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  override ops() {
    const ops = super.ops();
    return {
      ...ops,
      changeMedia: async (load: boolean) => {
        await this.delay();
        await ops.changeMedia?.(load);
        await this.delay();
      },
    };
  }

  /** None, some ticks, or some turns of the loop. */
  async delay(): Promise<void> {
    const kind = this.#random(3);
    for (let left = this.#random(4); left > 0; left -= 1) {
      await (kind === 0 ? undefined : kind === 1 ? Promise.resolve() : turn());
    }
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the order of calls and events', () => {
  const contexts: AioContext[] = [];
  let images: string[];

  beforeAll(() => {
    contexts.push(...combinations.map((combination) => new AioContext(combination)));
    images = [0, 1].map((index) => makeImage(folder, `${index}.img`, 65536));
  });

  afterAll(async () => {
    for (const context of contexts) await context.close();
  });

  const image = (index: number) => ({
    driver: 'raw',
    'node-name': 'disk',
    file: { driver: 'file', filename: images[index] as string },
  });

  /** Runs `scene` with a drive in each context in turn, while its guest reads. */
  async function repeat(
    scene: (drive: SlowDrive, blk: BlockBackend, random: Random) => Promise<readonly string[]>,
  ): Promise<void> {
    const seed = chooseSeed();
    console.log(`${expect.getState().currentTestName}: seed ${seed}`);
    const random = randomNumbers(seed);
    for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
      const context = contexts[repetition % contexts.length] as AioContext;
      await using blk = await BlockBackend.open(image(0), { context, name: 'ide1', resize: true });
      const drive = new SlowDrive(random);
      blk.attachDevice(drive, 'cd0');
      blk.setDeviceOps(drive.ops());
      using _events = recordTray(drive.calls);
      const reads = Array.from({ length: random(4) }, (_, index) =>
        drive.delay().then(() => codeOf(blk.pread(index * 512, Buffer.alloc(512)))),
      );
      const expected = await scene(drive, blk, random);
      if (drive.calls.join() !== expected.join()) {
        throw new Error(`repetition ${repetition}, seed ${seed}: ${drive.calls.join(', ')}`);
      }
      for (const code of await Promise.all(reads)) expect(code).toMatch(/^(none|ENOMEDIUM)$/);
    }
  }

  test('MED-17: a change of the medium, 1,000 times with random delays', async () => {
    await repeat(async (drive, _blk, random) => {
      const wasOpen = random(4) === 0;
      drive.trayOpen = wasOpen;
      await drive.delay();
      await blockdevChangeMedium({ id: 'cd0', filename: images[1] as string, format: 'raw' });
      return wasOpen ? CLOSED : [...OPENED, ...CLOSED];
    });
  }, 120_000);

  test('MED-12: an eject of a locked medium, asked for and forced, 1,000 times with random delays', async () => {
    await repeat(async (drive, blk, random) => {
      drive.locked = random(4) !== 0;
      const force = random(2) === 0;
      await drive.delay();
      const code = await codeOf(eject({ id: 'cd0', force }));
      expect(code).toBe(drive.locked && !force ? 'EINPROGRESS' : 'none');
      expect(blk.root === undefined).toBe(code === 'none');
      const asked = drive.locked ? [`eject request, force ${force}`] : [];
      return code === 'none' ? [...asked, ...OPENED] : asked;
    });
  }, 120_000);

  test('DEV-18: a resize is told before the command ends, 1,000 times with random delays', async () => {
    await repeat(async (drive, blk, random) => {
      const size = 65536 + 512 * (1 + random(8));
      blk.setDeviceOps({
        ...drive.ops(),
        resize: () => drive.calls.push(`resize ${blk.getLengthSync()}`),
      });
      await drive.delay();
      await blockResize({ device: 'ide1', size });
      drive.calls.push('resized');
      await blockResize({ device: 'ide1', size: 65536 });
      return [`resize ${size}`, 'resized', 'resize 65536'];
    });
  }, 120_000);

  test('WTH-2: the event of a write threshold comes before the write ends, 1,000 times with random delays', async () => {
    await repeat(async (drive, blk, random) => {
      const threshold = 512 * (1 + random(100));
      using _events = recordEvents({
        BLOCK_WRITE_THRESHOLD: (event) =>
          drive.calls.push(`exceeded by ${event['amount-exceeded']}`),
      });
      blockSetWriteThreshold({ 'node-name': 'disk', 'write-threshold': threshold });
      await drive.delay();
      await blk.pwrite(threshold - 512, Buffer.alloc(512));
      drive.calls.push('up to it');
      await blk.pwrite(threshold, Buffer.alloc(512));
      drive.calls.push('past it');
      return ['up to it', 'exceeded by 512', 'past it'];
    });
  }, 120_000);
});
