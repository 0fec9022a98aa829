// Graph changes: one at a time, in order, each whole or not at all.
import { closeSync, openSync, readdirSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { GraphLock } from '../../lib/graph/graph-lock.js';
import { BlockBackend, BlockError } from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { isSettled } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);
const filename = join(folder, 'image');
beforeAll(() => {
  closeSync(openSync(filename, 'w'));
  truncateSync(filename, 1 << 20);
});

const descriptors = (): number => readdirSync('/proc/self/fd').length;

describe('graph lock', () => {
  test('GRAPH-33: a guard ends with its call, also when that throws, and nests', async () => {
    const lock = new GraphLock();
    await lock.run('outer', async (change) => {
      expect(() =>
        lock.guard(change, () => {
          lock.guard(change, () => undefined);
          void expect(lock.run('x', async () => 0)).rejects.toMatchObject({ code: 'EDEADLK' });
          throw new Error('foreign');
        }),
      ).toThrow('foreign');
    });
    expect(await lock.run('later', async () => 'ran')).toBe('ran');
  });
});

onEveryEngineAndHome((context) => {
  const open = (options = fastDisk()) => BlockBackend.open(options, { context: context() });

  test('GRAPH-2: of two opens at once with the same node name, the first gets it', async () => {
    const before = BlockBackend.all().length;
    const options = fileOptions(filename, { 'node-name': 'wanted' });
    const [first, second, third] = await Promise.allSettled([open(options), open(options), open()]);
    expect(first?.status).toBe('fulfilled');
    expect(second).toMatchObject({
      reason: { code: 'EINVAL', message: "name: a node is named 'wanted' already [EINVAL]" },
    });
    expect(third?.status).toBe('fulfilled');
    expect(BlockBackend.all()).toHaveLength(before + 2);
    for (const result of [first, third]) {
      await (result as PromiseFulfilledResult<BlockBackend>).value.close();
    }
    await (await open(options)).close();
  });

  test('GRAPH-3: an open that waits its turn finds the node that an earlier one made', async () => {
    const first = open(fastDisk({ 'node-name': 'made' }));
    const second = BlockBackend.open({ driver: 'raw', file: 'made' });
    const third = BlockBackend.open('made');
    await using one = await first;
    await using two = await second;
    await using three = await third;
    expect([one.root, three.root]).toEqual([three.root, one.root]);
    expect(two.root?.children[0]?.edge.child).toBe(one.root);
    expect([one, two, three].map((blk) => blk.context)).toEqual(new Array(3).fill(context()));
  });

  test('GRAPH-36: closing while others are opened: all succeed, and names are free after close', async () => {
    const before = descriptors();
    let current = await open(fileOptions(filename, { 'node-name': 'turns' }));
    for (let round = 0; round < 10; round += 1) {
      const read = current.pread(0, sector);
      const others = [open(), open(fileOptions(filename)), BlockBackend.open('turns')];
      const closing = current.close();
      const opened = await Promise.all(others);
      expect(await read).toBe(512);
      await closing;
      // The one that refers to the node keeps it, and its name, until it is closed, too.
      const again = fileOptions(filename, { 'node-name': 'turns' });
      await expect(open(again)).rejects.toMatchObject({ code: 'EINVAL' });
      await Promise.all(opened.map((blk) => blk.close()));
      current = await open(again);
    }
    await current.close();
    expect(descriptors()).toBe(before);
  });

  test('LC-12: a failed open leaves no node, name, descriptor or backend, however far it got', async () => {
    const before = [descriptors(), BlockBackend.all().length];
    const good = fileOptions(filename, { 'node-name': 'good' });
    const bad = [
      { driver: 'raw', file: fileOptions(join(folder, 'none'), { 'node-name': 'good' }) },
      { driver: 'raw', 'node-name': 'top', file: good, offset: 1 << 30 },
      { driver: 'raw', 'node-name': 'good', file: good },
      { driver: 'raw', 'node-name': 'top', file: { driver: 'raw', size: 1 << 30, file: good } },
    ];
    for (let round = 0; round < 5; round += 1) {
      for (const options of bad) await expect(open(options)).rejects.toBeInstanceOf(BlockError);
    }
    expect([descriptors(), BlockBackend.all().length]).toEqual(before);
    await using blk = await open({ driver: 'raw', 'node-name': 'top', file: good });
    expect(blk.root?.name).toBe('top');
  });

  test('LC-13: a node whose backend is refused is closed again', async () => {
    const before = descriptors();
    await expect(
      BlockBackend.open(
        { ...fileOptions(filename), 'node-name': 'refused', 'read-only': true },
        { context: context(), permissions: ['write'], name: 'refused-disk' },
      ),
    ).rejects.toMatchObject({ code: 'EPERM', node: 'refused' });
    expect(descriptors()).toBe(before);
    expect(BlockBackend.byName('refused-disk')).toBeUndefined();
    await using blk = await BlockBackend.open(fastDisk({ 'node-name': 'refused' }), {
      context: context(),
      name: 'refused-disk',
    });
    expect(BlockBackend.byName('refused-disk')).toBe(blk);
  });

  test('LC-13: a name that is taken while the node is being opened undoes the open', async () => {
    const before = descriptors();
    const opening = BlockBackend.open(fileOptions(filename, { 'node-name': 'n' }), {
      context: context(),
      name: 'contested',
    });
    await Promise.resolve();
    // A constructor needs no turn of the lock.
    const quick = new BlockBackend({ context: context(), name: 'contested' });
    await expect(opening).rejects.toMatchObject({
      code: 'EINVAL',
      message: "name: a device is named 'contested' already [EINVAL]",
    });
    expect(descriptors()).toBe(before);
    expect(BlockBackend.byName('contested')).toBe(quick);
    await quick.close();
    await (await open(fastDisk({ 'node-name': 'n' }))).close();
  });

  test('LC-14: the last backend closes the file, and not before', async () => {
    const before = descriptors();
    const first = await open(fileOptions(filename, { 'node-name': 'held' }));
    const second = await BlockBackend.open('held');
    expect(descriptors()).toBe(before + 1);
    await first.close();
    expect(descriptors()).toBe(before + 1);
    expect(await second.pread(0, sector)).toBe(512);
    await second.close();
    expect(descriptors()).toBe(before);
  });

  test('GRAPH-33: a device hook in the middle of a change cannot start another one', async () => {
    await using stays = await open(fastDisk({ 'node-name': 'both' }));
    const goes = await BlockBackend.open('both', { name: 'goes' });
    let inner: Promise<unknown> | undefined;
    stays.setDeviceOps({
      drainedEnd() {
        inner ??= open().catch((error) => error);
      },
    });
    // The section of the one that goes reaches the other through the node, until it is detached.
    await goes.drainBegin();
    expect(stays.quiesceCount).toBe(1);
    await goes.close();
    expect(stays.quiesceCount).toBe(0);
    expect(await inner).toMatchObject({
      code: 'EDEADLK',
      message:
        "open: the graph change 'close block device 'goes'' waits for this very call [EDEADLK]",
    });
    stays.setDeviceOps(undefined);
    await (await open()).close();
  });

  test('DRAIN-34: opening onto a drained node waits for nothing and joins its section', async () => {
    await using blk = await open(slowDisk(undefined, { 'node-name': 'busy' }));
    const read = blk.pread(0, sector);
    const quiet = blk.drainBegin();
    await using other = await BlockBackend.open({ driver: 'raw', file: 'busy' });
    expect([other.quiesceCount, other.root?.info().quiesce]).toEqual([1, 1]);
    const parked = other.pread(0, sector);
    await Promise.all([read, quiet]);
    expect(await isSettled(parked)).toBe(false);
    blk.drainEnd();
    expect(await parked).toBe(512);
  });
});
