// The command that resizes a disk under a running machine (QMP: block_resize).
import { statSync } from 'node:fs';
import { join } from 'node:path';
import {
  BlockBackend,
  type BlockError,
  blockdevCreate,
  blockResize,
  type PreallocationMode,
  probe,
} from '../../lib/index.js';
import { onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';
import { until } from '../support/waiting.js';

const folder = scratchFolder();
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

onEveryEngineAndHome((context) => {
  const open = (settings = {}) =>
    BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'n', size: MIB },
      { context: context(), name: 'disk', ...settings },
    );

  test('TRUNC-14: a negative size and unknown nodes are refused, zero is a size', async () => {
    await using _blk = await open();
    expect(await codeOf(blockResize({ device: 'disk', size: -1 }))).toBe('EINVAL');
    expect(await codeOf(blockResize({ 'node-name': 'none', size: MIB }))).toBe('ENOENT');
    expect(await codeOf(blockResize({ device: 'none', size: MIB }))).toBe('ENODEV');
    expect(probe('n').calls('truncate')).toBe(0);
    await blockResize({ device: 'disk', size: 0 });
    expect(probe('n').node.info().length).toBe(0);
  });

  test('TRUNC-14: a node that somebody blocks for resizing stays as it is', async () => {
    await using blk = await open();
    const reason = { message: 'it is being copied' };
    blk.root?.blockers.blockAll(reason);
    const refusal = await blockResize({ 'node-name': 'n', size: 2 * MIB }).catch(
      (error: BlockError) => error,
    );
    expect(refusal).toMatchObject({ code: 'EBUSY' });
    blk.root?.blockers.unblockAll(reason);
    expect(probe('n').node.info().length).toBe(MIB);
  });

  test('TRUNC-14: it runs in a drained section on the node, without preallocation', async () => {
    await using blk = await open();
    probe('n').hold('truncate', 'held');
    const resized = blockResize({ 'node-name': 'n', size: 2 * MIB });
    await until(() => probe('n').held('held') === 1);
    const late = blk.pread(MIB, Buffer.alloc(512));
    expect([blk.quiesceCount, blk.parked, probe('n').node.info().quiesce]).toEqual([1, 1, 1]);
    probe('n').release('held');
    await resized;
    // What came meanwhile sees the new size; x-probe refuses any preallocation but off.
    expect([await late, blk.quiesceCount]).toEqual([512, 0]);
  });
});

const MODES: PreallocationMode[] = ['off', 'falloc', 'full'];
const pairs = MODES.flatMap((created) => MODES.map((grown) => [created, grown] as const));

test.each(pairs)(
  'TRUNC-16: created with %s and grown with %s: what was preallocated is allocated',
  async (created, grown) => {
    const filename = join(folder, `${created}-${grown}.img`);
    await blockdevCreate({ driver: 'file', filename, size: MIB, preallocation: created });
    await using blk = await BlockBackend.open({ driver: 'file', filename }, { resize: true });
    expect(await blk.truncate(3 * MIB, { preallocation: grown })).toBe(0);
    const least = (created === 'off' ? 0 : MIB) + (grown === 'off' ? 0 : 2 * MIB);
    const { size, blocks } = statSync(filename);
    expect([size, blocks * 512 >= least]).toEqual([3 * MIB, true]);
    const all = Buffer.alloc(3 * MIB, 1);
    await blk.pread(0, all);
    expect(all.equals(Buffer.alloc(3 * MIB))).toBe(true);
  },
);

test('TRUNC-16: an image of 2 GiB grows by what 32 bits cannot hold', async () => {
  const filename = join(folder, 'two-gib.img');
  await blockdevCreate({ driver: 'file', filename, size: 2 * GIB });
  await using blk = await BlockBackend.open({ driver: 'file', filename }, { resize: true });
  for (const size of [2 * GIB + 512, 5 * GIB]) {
    expect(await blk.truncate(size)).toBe(0);
    expect([await blk.getLength(), statSync(filename).size]).toEqual([size, size]);
  }
  expect(await blk.truncate(5 * GIB + MIB, { preallocation: 'falloc' })).toBe(0);
  expect(statSync(filename).blocks * 512).toBeGreaterThanOrEqual(MIB);
});
