import {
  BlockBackend,
  type BlockWriteThresholdEvent,
  blockEvents,
  blockSetWriteThreshold,
} from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { codeThrown, makeImage } from '../support/requests.js';

const folder = scratchFolder();

function setThreshold(bytes: number, node = 'watched'): void {
  blockSetWriteThreshold({ 'node-name': node, 'write-threshold': bytes });
}

onEveryEngineAndHome((context) => {
  const events: BlockWriteThresholdEvent[] = [];
  const listener = (event: BlockWriteThresholdEvent): void => {
    events.push(event);
  };
  const data = Buffer.alloc(4096, 1);

  beforeEach(() => {
    events.length = 0;
    blockEvents.on('BLOCK_WRITE_THRESHOLD', listener);
  });
  afterEach(() => {
    blockEvents.off('BLOCK_WRITE_THRESHOLD', listener);
  });

  /** What was told, once everything natively told has arrived. */
  async function told(): Promise<BlockWriteThresholdEvent[]> {
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
    return events.splice(0);
  }

  async function open(): Promise<BlockBackend> {
    const image = rawOptions(makeImage(folder, 'threshold.img', 65536));
    const options = { ...image, 'node-name': 'watched', discard: 'unmap' } as const;
    return BlockBackend.open(options, { context: context() });
  }

  test('WTH-1: a threshold is set in bytes, replaced by another, and disabled with 0', async () => {
    await using blk = await open();
    setThreshold(8192);
    expect(blk.root?.info().writeThreshold).toBe(8192);
    setThreshold(12288);
    expect(blk.root?.info().writeThreshold).toBe(12288);
    await blk.pwrite(8192, data);
    expect(await told()).toEqual([]);
    setThreshold(0);
    await blk.pwrite(16384, data);
    expect(await told()).toEqual([]);
    expect(blk.root?.info().writeThreshold).toBe(0);
    expect(codeThrown(() => setThreshold(1, 'nobody'))).toBe('ENOENT');
    expect(codeThrown(() => setThreshold(-1))).toBe('EINVAL');
    expect(codeThrown(() => setThreshold(1.5))).toBe('ERR_INVALID_ARG_TYPE');
  });

  test('COPY-6: a copy is a write to the threshold of its target', async () => {
    await using blk = await open();
    setThreshold(8192);
    await blk.copyRange(0, blk, 4096, 4096);
    expect(await told()).toEqual([]);
    await blk.copyRange(16384, blk, 4096, 4608);
    const event = { 'node-name': 'watched', 'write-threshold': 8192, 'amount-exceeded': 512 };
    expect(await told()).toEqual([event]);
  });

  test('WTH-2: a write, zero-write or discard that ends beyond the threshold is told of', async () => {
    await using blk = await open();
    const event = {
      'node-name': 'watched',
      'write-threshold': 4096,
      'amount-exceeded': 4096,
    };
    setThreshold(4096);
    await blk.pwrite(0, data);
    expect(await told()).toEqual([]);
    await blk.pwrite(4096, data);
    expect(await told()).toEqual([event]);
    setThreshold(4096);
    await blk.pread(4096, data);
    await blk.pdiscard(0, 4096);
    expect(await told()).toEqual([]);
    await blk.pdiscard(4096, 4096);
    expect(await told()).toEqual([event]);
    setThreshold(4096);
    await blk.pwriteZeroes(0, 4096);
    expect(await told()).toEqual([]);
    await blk.pwriteZeroes(4096, 4096);
    expect(await told()).toEqual([event]);
  });

  test('WTH-3: it is disarmed by the first one, until it is set again', async () => {
    await using blk = await open();
    setThreshold(512);
    await blk.pwrite(4096, data);
    await blk.pwrite(8192, data);
    await blk.pwrite(12288, data);
    expect(await told()).toMatchObject([{ 'amount-exceeded': 8192 - 512 }]);
    expect(blk.root?.info().writeThreshold).toBe(0);
    setThreshold(512);
    await blk.pwrite(8192, data);
    expect(await told()).toMatchObject([{ 'amount-exceeded': 12288 - 512 }]);
  });
});
