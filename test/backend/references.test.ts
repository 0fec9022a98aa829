// From making a backend to its end: references, opening with a medium, and the end of everything.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { graph } from '../../lib/graph/graph.js';
import {
  BlockBackend,
  type BlockNode,
  BlockUsageError,
  drainedAll,
  ProbeJob,
  probe,
  topLevelNodes,
} from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { codeOf, codeThrown, openFlags, submittedBy } from '../support/requests.js';
import { isSettled } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);
const everything = ['consistent-read', 'write', 'write-unchanged', 'resize'];

/** What the promise rejects with must be a usage error. */
async function expectUsageError(promise: Promise<unknown>): Promise<void> {
  await expect(promise).rejects.toBeInstanceOf(BlockUsageError);
}

onEveryEngineAndHome((context) => {
  const empty = (settings = {}) => new BlockBackend({ context: context(), ...settings });
  const open = (options = fastDisk(), settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });

  afterEach(() => {
    expect([BlockBackend.all().length, graph().nodes.size]).toEqual([0, 0]);
  });

  test('LC-1: a new backend has one reference, and nothing but its settings', async () => {
    await using first = empty();
    await using blk = empty({ permissions: ['write'], shared: ['consistent-read'] });
    expect([blk.references, blk.name, blk.root, blk.device]).toEqual([1, '', undefined, undefined]);
    expect(blk.writeCache).toBe(true);
    expect([blk.permissions, blk.shared]).toEqual([['write'], ['consistent-read']]);
    expect([first.permissions, first.shared]).toEqual([[], everything]);
    expect(blk.context).toBe(context());
    expect(BlockBackend.all()).toEqual([first, blk]);
  });

  test('LC-1: it has counted nothing yet, and counts invalid and failed requests', async () => {
    await using blk = empty();
    const { account_invalid, account_failed, timed_stats, ...counters } = blk.stats;
    expect([account_invalid, account_failed, timed_stats]).toEqual([true, true, []]);
    expect(new Set(Object.values(counters))).toEqual(new Set([0]));
  });

  test('LC-2: no backend counts 0 references, a live one those who hold it', async () => {
    const count = (name: string) => BlockBackend.byName(name)?.references ?? 0;
    const blk = empty({ name: 'd0' });
    expect([count('none'), count('d0')]).toEqual([0, 1]);
    blk.ref().ref();
    expect(count('d0')).toBe(3);
    await blk.unref();
    await blk.unref();
    expect(count('d0')).toBe(1);
    await blk.close();
    expect([count('d0'), blk.references]).toEqual([0, 0]);
  });

  test('LC-3: nobody can take a reference when there is none left', async () => {
    const blk = empty();
    await blk.unref();
    expect(() => blk.ref()).toThrow(BlockUsageError);
    expect(blk.references).toBe(0);
  });

  test('LC-4: dropping a reference of nothing is nothing', async () => {
    await BlockBackend.byName('none')?.unref();
    const blk = empty();
    await blk.unref();
    await blk.unref();
    expect(blk.references).toBe(0);
  });

  test('LC-5: dropping one of several references drains nothing and disturbs no request', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'p' });
    blk.ref();
    const begins: string[] = [];
    blk.setDeviceOps({ drainedBegin: () => begins.push('begin') });
    const node = probe('p');
    node.hold('pread', 'gate');
    const read = blk.pread(0, sector);
    await blk.unref();
    expect([blk.references, begins, blk.inFlight, blk.quiesceCount]).toEqual([1, [], 1, 0]);
    expect(await isSettled(read)).toBe(false);
    node.release('gate');
    expect(await read).toBe(512);
    blk.setDeviceOps(undefined);
  });

  test('LC-6: the last reference waits for every callback, those without a medium included', async () => {
    const blk = await open(slowDisk());
    const none = empty();
    const told: string[] = [];
    blk.aio.pread(0, sector, (_error, result) => told.push(`read ${result}`));
    none.aio.pread(0, sector, (_error, result) => told.push(`no medium ${result}`));
    await none.unref();
    told.push('none ended');
    await blk.unref();
    told.push('ended');
    expect(told.slice(-1)).toEqual(['ended']);
    expect(told.indexOf('no medium -123')).toBeLessThan(told.indexOf('none ended'));
    expect(told).toContain('read 512');
    expect(told.indexOf('no medium -123')).toBeGreaterThanOrEqual(0);
  });

  test('LC-6: a callback that wants to revive the backend gets a usage error', async () => {
    const blk = await open(slowDisk());
    let thrown: unknown;
    blk.aio.pread(0, sector, () => {
      try {
        blk.ref();
      } catch (error) {
        thrown = error;
      }
    });
    await blk.unref();
    expect(thrown).toBeInstanceOf(BlockUsageError);
    expect([blk.references, blk.isClosed]).toEqual([0, true]);
  });

  test('LC-7: with a name or a device the last reference cannot be dropped', async () => {
    await using blk = await open(fastDisk(), { name: 'd0' });
    await expectUsageError(blk.unref());
    blk.setName('');
    const device = {};
    blk.attachDevice(device);
    // The maker's; what is left is the device's own (DEV-2).
    await blk.unref();
    await expectUsageError(blk.unref());
    expect([blk.references, blk.device]).toEqual([1, device]);
    expect(await blk.pread(0, sector)).toBe(512);
    await blk.detachDevice(device);
    expect(blk.isClosed).toBe(true);
  });

  test('LC-8: the end: quiet, remove notifiers, medium saved and gone, off the list', async () => {
    const blk = await open(slowDisk(undefined, { 'read-only': true }), { name: 'd0' });
    const { root } = blk;
    const order: unknown[] = [];
    blk.aio.pread(0, sector, () => order.push('callback'));
    blk.addRemoveNotifier(() => {
      order.push(blk.root === root, blk.rootState.readOnly, BlockBackend.all().includes(blk));
    });
    await blk.close();
    expect(order).toEqual(['callback', true, false, true]);
    expect([blk.root, blk.rootState.readOnly, root?.isClosed]).toEqual([undefined, true, true]);
    expect([BlockBackend.all(), blk.name, blk.device]).toEqual([[], '', undefined]);
  });

  test('LC-8: statistics go last: they know of all requests, and then they are gone', async () => {
    const blk = await open(slowDisk(), { accountRequests: true });
    const seen: number[] = [];
    blk.addRemoveNotifier(() => seen.push(blk.stats.rd_operations));
    const reads = [1, 2, 3].map(() => blk.pread(0, Buffer.alloc(512)));
    await blk.close();
    expect(await Promise.all(reads)).toEqual([512, 512, 512]);
    expect(seen).toEqual([3]);
    expect(codeThrown(() => blk.stats)).toBe('ENOMEDIUM');
  });

  test('LC-9: with an insert, remove or context notifier the last reference cannot be dropped', async () => {
    await using blk = await open();
    const notify = () => {};
    blk.addInsertNotifier(notify);
    await expectUsageError(blk.unref());
    blk.removeInsertNotifier(notify);
    blk.addRemoveNotifier(notify);
    await expectUsageError(blk.unref());
    blk.removeRemoveNotifier(notify);
    blk.addContextNotifier(notify, notify);
    await expectUsageError(blk.unref());
    expect([blk.references, await blk.pread(0, sector)]).toEqual([1, 512]);
    blk.removeContextNotifier(notify, notify);
    await blk.unref();
    expect(blk.isClosed).toBe(true);
  });

  test.each([
    [{}, false, ['consistent-read', 'write']],
    [{}, true, ['consistent-read']],
    [{ resize: true }, false, ['consistent-read', 'write', 'resize']],
    [{ resize: true }, true, ['consistent-read', 'resize']],
    [{ noIo: true }, false, []],
    [{ noIo: true, resize: true }, false, ['resize']],
  ])(
    'LC-10: opened with %j, read-only %j, it holds %j and shares everything',
    async (settings, readOnly, held) => {
      await using blk = await open(fastDisk({ 'read-only': readOnly }), settings);
      expect([blk.permissions, blk.shared]).toEqual([held, everything]);
      expect(blk.root?.parents[0]).toMatchObject({ shared: 15 });
    },
  );

  test('LC-10: without a word about where, it lives in the main loop', async () => {
    await using blk = await BlockBackend.open(fastDisk());
    expect(blk.context.name).toBe('main');
  });

  test('LC-11: noShare leaves others consistent reads and unchanged writes', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'n' }), { noShare: true });
    expect(blk.shared).toEqual(['consistent-read', 'write-unchanged']);
    expect(await codeOf(open('n' as never))).toBe('EPERM');
    await using reader = await open('n' as never, {
      permissions: ['consistent-read', 'write-unchanged'],
    });
    expect(await reader.pread(0, sector)).toBe(512);
  });

  test('LC-12: opening what cannot be opened leaves the list of backends as it was', async () => {
    await using first = empty();
    const missing = fileOptions(join(folder, 'missing'));
    expect(await codeOf(open(missing, { name: 'd0' }))).toBe('ENOENT');
    expect(await codeOf(open({ driver: 'raw', 'node-name': 'r', file: missing }))).toBe('ENOENT');
    expect([BlockBackend.all(), BlockBackend.named()]).toEqual([[first], []]);
  });

  test('LC-13: a node that is opened, and refused, is gone: its name and its lock are free', async () => {
    const filename = join(folder, 'lc-13.img');
    writeFileSync(filename, Buffer.alloc(4096));
    const options = fileOptions(filename, { 'node-name': 'refused', 'read-only': true });
    expect(await codeOf(open(options, { permissions: ['write'] }))).toBe('EPERM');
    expect([openFlags(filename), graph().names.node('refused')]).toEqual([[], undefined]);
    await using blk = await open(fileOptions(filename, { 'node-name': 'refused' }), {
      noShare: true,
    });
    expect(blk.root?.name).toBe('refused');
  });

  test('LC-14: the backend is the only user of its node, and closes the file at its end', async () => {
    const filename = join(folder, 'lc-14.img');
    writeFileSync(filename, Buffer.alloc(4096));
    const blk = await open(fileOptions(filename));
    const { root } = blk;
    expect([root?.parents.length, root?.references, root?.monitorOwned]).toEqual([1, 0, false]);
    expect(openFlags(filename)).toHaveLength(1);
    await blk.unref();
    expect([openFlags(filename), root?.isClosed]).toEqual([[], true]);
  });

  test('LC-15: options are taken at the call: changes after it, or a failure, leave nothing behind', async () => {
    const filename = join(folder, 'lc-15.img');
    writeFileSync(filename, Buffer.alloc(4096));
    const options = { driver: 'file', filename, 'node-name': 'taken' };
    const opening = open(options);
    options['node-name'] = 'changed';
    options.filename = join(folder, 'missing');
    await using blk = await opening;
    expect(blk.root?.name).toBe('taken');
    const nested = { driver: 'raw', size: 512, file: { driver: 'null-co', unknown: 1 } };
    const before = JSON.stringify(nested);
    expect(await codeOf(open(nested))).toBe('EINVAL');
    expect(JSON.stringify(nested)).toBe(before);
  });

  test('LC-16: removing all roots takes the media of hidden backends, too, and keeps backends', async () => {
    await using hidden = await open(slowDisk());
    await using blk = await open(fastDisk({ 'node-name': 'n' }), { name: 'd0' });
    await using second = await open('n' as never);
    await using none = empty();
    const nodes = [hidden.root, blk.root];
    const read = hidden.pread(0, sector);
    await BlockBackend.removeAllRoots();
    expect(await read).toBe(512);
    const all = [hidden, blk, second, none];
    expect(all.map(({ root }) => root)).toEqual(new Array(4).fill(undefined));
    expect([BlockBackend.all(), BlockBackend.byName('d0')]).toEqual([all, blk]);
    expect(nodes.map((node) => node?.isClosed)).toEqual([true, true]);
    expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
    await BlockBackend.removeAllRoots();
  });

  test('LC-16: it refuses to close a blocked node, even one that several backends hold', async () => {
    await using one = await open(fastDisk({ 'node-name': 'n' }));
    await using two = await open('n' as never);
    const reason = { message: 'because' };
    one.opBlock('resize', reason);
    await expectUsageError(BlockBackend.removeAllRoots());
    expect([one.root, two.root].map((root) => root?.name)).toEqual(['n', 'n']);
    one.opUnblock('resize', reason);
  });

  test('LC-17: legacy drive info is set once, and finds named backends only', async () => {
    await using blk = empty();
    const info = { media: 'disk' };
    blk.setLegacyDriveInfo(info);
    expect(() => blk.setLegacyDriveInfo({})).toThrow(BlockUsageError);
    expect(blk.legacyDriveInfo).toBe(info);
    expect(() => BlockBackend.byLegacyDriveInfo(info)).toThrow(BlockUsageError);
    blk.setName('d0');
    expect(BlockBackend.byLegacyDriveInfo(info)).toBe(blk);
    expect(() => BlockBackend.byLegacyDriveInfo({ ...info })).toThrow(BlockUsageError);
  });

  test('LC-18: closing everything waits, empties backends and the monitor, and leaves no node', async () => {
    const owner = await open({ driver: 'raw', 'node-name': 'owned', file: slowDisk() });
    const owned = owner.root as BlockNode;
    owned.monitorOwned = true;
    await owner.close();
    await using blk = await open({ driver: 'raw', file: slowDisk() }, { name: 'd0' });
    await using above = await open({ driver: 'raw', file: 'owned' });
    const told: number[] = [];
    for (const each of [blk, above]) {
      each.aio.pread(0, sector, (_error, result) => told.push(result));
    }
    const closed = BlockBackend.closeAll();
    // Drained, it waits; then there is nothing to read from.
    const late = codeOf(blk.pread(0, sector));
    await closed;
    expect(told).toEqual([512, 512]);
    expect([[...graph().nodes], owned.isClosed]).toEqual([[], true]);
    expect([blk.root, above.root, BlockBackend.all()]).toEqual([
      undefined,
      undefined,
      [blk, above],
    ]);
    expect([blk.quiesceCount, await late]).toEqual([0, expect.stringMatching('none|ENOMEDIUM')]);
  });

  test('LC-18: while there is a job it is refused, and nothing has changed', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'n' }));
    const job = new ProbeJob('job');
    await job.attach(blk.root as BlockNode);
    await expectUsageError(BlockBackend.closeAll());
    expect([blk.root?.name, blk.quiesceCount, await blk.pread(0, sector)]).toEqual(['n', 0, 512]);
    await job.detach();
    const walk = topLevelNodes();
    walk.next();
    await expectUsageError(BlockBackend.closeAll());
    expect(blk.root?.name).toBe('n');
    walk.return();
    await BlockBackend.closeAll();
    expect([blk.root, graph().nodes.size]).toEqual([undefined, 0]);
  });

  test('LC-19: a node that nobody uses leaves its name, is flushed and closed, then its children', async () => {
    const filename = join(folder, 'lc-19.img');
    writeFileSync(filename, Buffer.alloc(4096));
    const file = fileOptions(filename, { 'node-name': 'low' });
    const blk = await open({ driver: 'raw', 'node-name': 'top', file });
    const nodes = [blk.root, blk.root?.children[0]?.edge.child];
    await blk.pwrite(0, sector);
    const { fdatasync } = await submittedBy(context(), () => blk.close());
    expect([fdatasync, nodes.map((node) => node?.isClosed)]).toEqual([1, [true, true]]);
    const names = ['top', 'low'].map((name) => graph().names.node(name));
    expect([names, openFlags(filename)]).toEqual([[undefined, undefined], []]);
  });

  test('LC-19: nobody hears of a flush that fails at the end; a child with a user stays', async () => {
    await using below = await open({ driver: 'x-probe', 'node-name': 'low' });
    const blk = await open({ driver: 'x-probe', 'node-name': 'top', filter: true, file: 'low' });
    await blk.pwrite(0, sector);
    probe('top').failNext('flush', 'EIO', 1);
    await blk.close();
    expect([graph().names.node('top'), below.root?.parents.length]).toEqual([undefined, 1]);
    expect(await below.pread(0, sector)).toBe(512);
  });

  test('LC-19: a section over everything ends for a node that goes', async () => {
    const blk = await open(fastDisk({ 'node-name': 'goes' }));
    await using stays = await open(fastDisk({ 'node-name': 'stays' }));
    const section = await drainedAll();
    const second = await drainedAll();
    expect([blk.root, stays.root].map((node) => node?.info().quiesce)).toEqual([2, 2]);
    await blk.close();
    await using again = await open(fastDisk({ 'node-name': 'goes' }));
    expect([again.root, stays.root].map((node) => node?.info().quiesce)).toEqual([2, 2]);
    section.end();
    second.end();
    expect([again.root, stays.root].map((node) => node?.info().quiesce)).toEqual([0, 0]);
    expect(await again.pread(0, sector)).toBe(512);
  });

  test('LC-19: a node with an operation blocker is not closed', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'n' }));
    const reason = { message: 'because' };
    blk.opBlock('eject', reason);
    await expectUsageError(blk.unref());
    expect([blk.references, blk.root?.isClosed]).toEqual([1, false]);
    blk.opUnblock('eject', reason);
    await blk.unref();
  });
});
