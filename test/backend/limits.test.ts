import { BlockBackend } from '../../lib/index.js';
import { onEveryEngineAndHome, rawOptions, scratchFolder } from '../support/matrix.js';
import { makeImage } from '../support/requests.js';

const folder = scratchFolder();

onEveryEngineAndHome((context) => {
  test('MISC-11: the request alignment is 512 without a node, else that of the node', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(empty.requestAlignment).toBe(512);
    await empty.close();
    const filename = makeImage(folder, 'align.img', 65536);
    for (const [direct, least] of [
      [false, 1],
      [true, 512],
    ] as const) {
      await using blk = await BlockBackend.open(rawOptions(filename, { cache: { direct } }), {
        context: context(),
      });
      expect(blk.requestAlignment).toBe(blk.root?.info().requestAlignment);
      expect(blk.requestAlignment).toBeGreaterThanOrEqual(least);
      if (!direct) expect(blk.requestAlignment).toBe(1);
    }
  });

  test('MISC-12: the longest transfer is 2147483136 at an alignment of 512', async () => {
    const empty = new BlockBackend({ context: context() });
    expect(empty.maxTransfer).toBe(2147483136);
    await empty.close();
    const filename = makeImage(folder, 'transfer.img', 65536);
    for (const direct of [false, true]) {
      await using blk = await BlockBackend.open(rawOptions(filename, { cache: { direct } }), {
        context: context(),
      });
      const align = blk.requestAlignment;
      expect(blk.maxTransfer).toBe(2147483136 - (2147483136 % align));
      expect(blk.maxTransfer % align).toBe(0);
    }
  });

  test('MISC-14: memory for requests suits O_DIRECT, and nothing is an amount, too', async () => {
    const foreign: Buffer[] = [];
    const empty = new BlockBackend({ context: context() });
    expect(empty.allocate(0).length).toBe(0);
    expect(empty.allocate(4096).equals(Buffer.alloc(4096))).toBe(true);
    // Of odd sizes, so that each must be aligned by itself.
    for (const bytes of [1, 4097, 512, 4096]) foreign.push(empty.allocate(bytes));
    await empty.close();
    const filename = makeImage(folder, 'memory.img', 65536);
    await using blk = await BlockBackend.open(
      { driver: 'file', filename, cache: { direct: true } },
      { context: context() },
    );
    expect(blk.root?.info().optimalMemoryAlignment).toBeGreaterThanOrEqual(4096);
    for (const bytes of [4096, 8192, 65536]) {
      expect(await blk.pread(0, blk.allocate(bytes))).toBe(bytes);
      expect(await blk.pwrite(0, blk.allocate(bytes))).toBe(bytes);
    }
    for (const memory of foreign) {
      const whole = memory.subarray(0, memory.length - (memory.length % 4096));
      expect(await blk.pread(0, whole)).toBe(whole.length);
    }
    expect(blk.root?.info().bounced).toBe(0);
  });
});
