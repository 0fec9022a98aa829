// Putting media into backends, taking them out, and what backends remember of them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { graph } from '../../lib/graph/graph.js';
import {
  AioContext,
  appendNode,
  BlockBackend,
  type BlockNode,
  BlockUsageError,
  createDrive,
  probe,
  replaceNode,
  xBlockdevSetIothread,
} from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { codeOf, openFlags } from '../support/requests.js';
import { deferred, isSettled, turn, until } from '../support/waiting.js';

const folder = scratchFolder();
const sector = Buffer.alloc(512);

onEveryEngineAndHome((context) => {
  let other: AioContext;
  let count = 0;

  beforeAll(() => {
    other = new AioContext({ name: 'other' });
  });

  afterEach(() => {
    expect([BlockBackend.all().length, graph().nodes.size]).toEqual([0, 0]);
  });

  afterAll(() => other.close());

  const empty = (settings = {}) => new BlockBackend({ context: context(), ...settings });
  const open = (options: object | string = fastDisk(), settings = {}) =>
    BlockBackend.open(options as never, { context: context(), ...settings });

  /** A new image with a name that tests on other engines do not have. */
  const newImage = () => {
    count += 1;
    const filename = join(folder, `${context().name}-${count}.img`);
    writeFileSync(filename, Buffer.alloc(4096));
    return filename;
  };

  /** A node where backends of the test are. */
  const probeNode = async (name: string) => {
    const node = await monitorNode({ driver: 'x-probe', 'node-name': name });
    await xBlockdevSetIothread({ 'node-name': name, iothread: context() });
    return node;
  };

  test('ATT-1: insert holds the node with the stored permissions, then calls insert notifiers', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using blk = empty({ permissions: ['write'], shared: ['consistent-read', 'resize'] });
    const seen: unknown[] = [];
    blk.addInsertNotifier(() => seen.push(blk.root, node.parents.length));
    await blk.insert('n');
    expect(node.parents[0]).toMatchObject({ name: 'root', permissions: 2, shared: 9 });
    expect(seen).toEqual([node, 1]);
    await dropMonitorNode(node);
    expect([node.isClosed, await codeOf(blk.pwrite(0, sector))]).toEqual([false, 'none']);
  });

  test('ATT-2: any failure of insert is EPERM and leaves the backend empty', async () => {
    await using holder = await open(fastDisk({ 'node-name': 'n' }), { shared: [] });
    const node = holder.root as BlockNode;
    await using blk = empty({ permissions: ['write'] });
    const calls: string[] = [];
    blk.addInsertNotifier(() => calls.push('insert'));
    blk.addRemoveNotifier(() => calls.push('remove'));
    const refused = blk.insert(node);
    await expect(refused).rejects.toMatchObject({ code: 'EPERM', cause: { code: 'EPERM' } });
    // An image that fails to lock, and a node that was closed meanwhile, have other inner causes.
    await using locked = await open(
      { driver: 'x-probe', 'node-name': 'locked' },
      { permissions: ['consistent-read'] },
    );
    probe('locked').failNext('checkPermissions', 'EAGAIN', 1);
    await expect(blk.insert('locked')).rejects.toMatchObject({
      code: 'EPERM',
      cause: { code: 'EAGAIN' },
    });
    const goes = await open(fastDisk({ 'node-name': 'goes' }));
    const gate = deferred();
    const held = graph().lock.run('hold', () => gate.promise);
    const closing = goes.close();
    for (let index = 0; index < 5; index += 1) await turn();
    const late = blk.insert('goes');
    gate.resolve();
    await expect(late).rejects.toMatchObject({ code: 'EPERM', cause: { code: 'ENODEV' } });
    await Promise.all([held, closing]);
    expect([blk.root, calls]).toEqual([undefined, []]);
    expect([node, locked.root].map((each) => [each?.parents.length, each?.references])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(await codeOf(blk.pread(0, sector))).toBe('ENOMEDIUM');
  });

  test('ATT-2: an insert that is refused after the node came leaves it where it was', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using holder = await BlockBackend.open('n', { shared: [] });
    holder.allowContextChange = true;
    await using blk = empty({ context: other, permissions: ['write'] });
    expect(await codeOf(blk.insert('n'))).toBe('EPERM');
    expect([node, holder, blk].map(({ context: at }) => at)).toEqual([
      AioContext.main,
      AioContext.main,
      other,
    ]);
    await dropMonitorNode(node);
  });

  test('ATT-3: the node comes to the backend, or else the backend goes to the node', async () => {
    const free = await monitorNode({ driver: 'raw', 'node-name': 'free', file: fastDisk() });
    await using blk = empty({ context: other });
    await blk.insert('free');
    const below = free.children[0]?.edge.child;
    expect([blk.context, free.context, below?.context]).toEqual([other, other, other]);
    await dropMonitorNode(free);
    // Somebody refuses: a named backend without a device can go there itself.
    await using holder = await open(fastDisk({ 'node-name': 'held' }));
    await using named = new BlockBackend({ context: other, name: 'd0' });
    await named.insert('held');
    expect([named.context, holder.context]).toEqual([context(), context()]);
    expect(await named.pread(0, sector)).toBe(512);
    // With a device it refuses, too.
    await named.remove();
    await named.setContext(other);
    const device = {};
    named.attachDevice(device);
    expect(await codeOf(named.insert('held'))).toBe('EPERM');
    expect([named.root, named.context, holder.context]).toEqual([undefined, other, context()]);
    await named.detachDevice(device);
  });

  test('ATT-4: inserting into a backend with a medium is a usage error', async () => {
    await using blk = await open(fastDisk({ 'node-name': 'first' }));
    await using second = await open(fastDisk({ 'node-name': 'second' }));
    await expect(blk.insert('second')).rejects.toBeInstanceOf(BlockUsageError);
    expect([blk.root?.name, second.root?.parents.length]).toEqual(['first', 1]);
  });

  test('ATT-5: a node that is drained three times quiesces the backend three times', async () => {
    await using holder = await open(fastDisk({ 'node-name': 'n' }));
    await using blk = empty();
    const calls: string[] = [];
    blk.setDeviceOps({
      drainedBegin: () => calls.push('begin'),
      drainedEnd: () => calls.push('end'),
    });
    for (let index = 0; index < 3; index += 1) await holder.drainBegin();
    await blk.insert('n');
    expect([blk.quiesceCount, calls]).toEqual([3, ['begin']]);
    const read = blk.pread(0, sector);
    await until(() => blk.parked === 1);
    for (const left of [2, 1]) {
      holder.drainEnd();
      expect([blk.quiesceCount, await isSettled(read)]).toEqual([left, false]);
    }
    expect(calls).toEqual(['begin']);
    holder.drainEnd();
    expect([blk.quiesceCount, calls, await read]).toEqual([0, ['begin', 'end'], 512]);
  });

  test('ATT-6: insert notifiers see the new node through the backend, the newest first', async () => {
    await using holder = await open(fastDisk({ 'node-name': 'n' }));
    await using blk = empty();
    const seen: unknown[] = [];
    blk.addInsertNotifier(() => seen.push(['older', blk.root]));
    blk.addInsertNotifier(() => seen.push(['newer', blk.root]));
    await blk.insert('n');
    expect(seen).toEqual([
      ['newer', holder.root],
      ['older', holder.root],
    ]);
  });

  test('ATT-7: remove notifiers see the old node; then its state is saved, all is quiet, it is gone', async () => {
    await using blk = await open(slowDisk(undefined, { 'read-only': true }));
    const node = blk.root as BlockNode;
    const order: unknown[] = [];
    blk.addRemoveNotifier(() => order.push('notified', blk.root === node, blk.rootState.readOnly));
    blk.setDeviceOps({
      drainedBegin: () => order.push('drained', blk.root === node, blk.rootState.readOnly),
    });
    blk.aio.pread(0, sector, () => order.push('callback', blk.root === node));
    await blk.remove();
    order.push('removed', blk.root, node.isClosed);
    expect(order).toEqual([
      ...['notified', true, false],
      ...['drained', true, true],
      ...['callback', true],
      ...['removed', undefined, true],
    ]);
    blk.setDeviceOps(undefined);
  });

  test('ATT-8: requests under way at removal end normally before it is done; later ones get ENOMEDIUM', async () => {
    await using blk = await open({ driver: 'x-probe', 'node-name': 'p' });
    const node = probe('p');
    node.hold('pwrite', 'gate');
    const order: string[] = [];
    blk.aio.pwrite(0, sector, (_error, result) => order.push(`wrote ${result}`));
    const removed = blk.remove().then(() => order.push('removed'));
    await until(() => blk.quiesceCount > 0 && node.held('gate') === 1);
    const late = codeOf(blk.pwrite(0, sector));
    expect(await isSettled(removed)).toBe(false);
    node.release('gate');
    await removed;
    expect(order).toEqual(['wrote 512', 'removed']);
    expect([await late, await codeOf(blk.pread(0, sector))]).toEqual(['ENOMEDIUM', 'ENOMEDIUM']);
  });

  test('ATT-9: removal keeps name, device, permissions and switches, and takes no reference', async () => {
    await using blk = await open(fastDisk(), { name: 'd0', shared: ['consistent-read', 'write'] });
    const device = {};
    blk.attachDevice(device, 'ide0');
    blk.writeCache = false;
    blk.allowWriteBeyondEnd = true;
    const kept = () => {
      const { name, deviceId, permissions, shared, references } = blk;
      const { writeCache, allowWriteBeyondEnd } = blk;
      return { name, deviceId, permissions, shared, references, writeCache, allowWriteBeyondEnd };
    };
    const before = kept();
    await blk.remove();
    expect([kept(), blk.device]).toEqual([before, device]);
    expect(BlockBackend.byName('d0')).toBe(blk);
    await using next = await open(fastDisk({ 'node-name': 'next' }));
    await blk.insert('next');
    expect([kept(), next.root?.parents[0]?.permissions]).toEqual([before, 3]);
  });

  test('ATT-9: statistics stay when the medium goes, and go on with the next one', async () => {
    await using blk = await open(fastDisk(), { accountRequests: true });
    await blk.pread(0, Buffer.alloc(1024));
    const before = blk.stats;
    expect(before).toMatchObject({ rd_operations: 1, rd_bytes: 1024, failed_rd_operations: 0 });
    await blk.remove();
    expect({ ...blk.stats, idle_time_ns: 0 }).toEqual({ ...before, idle_time_ns: 0 });
    await using _next = await open(fastDisk({ 'node-name': 'next' }));
    await blk.insert('next');
    await blk.pread(0, Buffer.alloc(512));
    expect(blk.stats).toMatchObject({ rd_operations: 2, rd_bytes: 1536 });
  });

  test('ATT-10: removal keeps the context of the backend; the node goes home, and comes again', async () => {
    const node = await monitorNode({ driver: 'raw', 'node-name': 'n', file: fastDisk() });
    await using blk = empty();
    const below = node.children[0]?.edge.child;
    const where = () => [blk.context, node.context, below?.context];
    const there = [context(), context(), context()];
    await blk.insert('n');
    expect(where()).toEqual(there);
    await blk.remove();
    expect(where()).toEqual([context(), AioContext.main, AioContext.main]);
    await blk.insert('n');
    expect([where(), await blk.pread(0, sector)]).toEqual([there, 512]);
    // Another user keeps it.
    await using pinned = await open('n');
    await blk.remove();
    expect([where(), pinned.context]).toEqual([there, context()]);
    await dropMonitorNode(node);
  });

  test('ATT-11: what only the backend held is closed; what the monitor holds survives', async () => {
    const filename = newImage();
    await using blk = await open(fileOptions(filename));
    const { root } = blk;
    await blk.remove();
    expect([root?.isClosed, openFlags(filename)]).toEqual([true, []]);
    const owned = await monitorNode(fileOptions(filename, { 'node-name': 'owned' }));
    await blk.insert('owned');
    await blk.remove();
    expect([owned.isClosed, openFlags(filename).length]).toEqual([false, 1]);
    await blk.insert('owned');
    expect(await blk.pread(0, sector)).toBe(512);
    await dropMonitorNode(owned);
  });

  test('ATT-12: removing from an empty backend is a usage error', async () => {
    await using blk = empty();
    const calls: string[] = [];
    blk.addRemoveNotifier(() => calls.push('remove'));
    await expect(blk.remove()).rejects.toBeInstanceOf(BlockUsageError);
    expect([calls, blk.quiesceCount]).toEqual([[], 0]);
  });

  test('ATT-13: removal saves flags, read-only and detect-zeroes; so does saving, with a medium', async () => {
    const options = fileOptions(newImage(), {
      'read-only': true,
      'detect-zeroes': 'on',
      discard: 'unmap',
      cache: { direct: true, 'no-flush': true },
    });
    const saved = {
      readOnly: true,
      detectZeroes: true,
      openFlags: ['no-cache', 'no-flush', 'unmap'],
      cache: { direct: true, noFlush: true },
    };
    await using blk = await open(options);
    expect(blk.rootState).toMatchObject({ readOnly: false, detectZeroes: false, openFlags: [] });
    blk.saveRootState();
    expect(blk.rootState).toEqual(saved);
    await blk.remove();
    expect(blk.rootState).toEqual(saved);
    expect(() => blk.saveRootState()).toThrow(BlockUsageError);
    await using next = await open(fastDisk({ 'node-name': 'next' }));
    await blk.insert('next');
    expect([blk.rootState, next.isReadOnly]).toEqual([saved, false]);
    await blk.remove();
    expect(blk.rootState).toMatchObject({ readOnly: false, openFlags: ['read-write'] });
  });

  test('ATT-14: read-only is what the medium says, else the last one; false without any', async () => {
    await using blk = empty();
    await using readOnly = await open(fastDisk({ 'read-only': true, 'node-name': 'ro' }));
    await using writable = await open(fastDisk({ 'node-name': 'rw' }));
    const seen = [blk.isReadOnly];
    await blk.insert(readOnly.root as BlockNode);
    seen.push(blk.isReadOnly);
    await blk.remove();
    seen.push(blk.isReadOnly);
    await blk.insert(writable.root as BlockNode);
    seen.push(blk.isReadOnly);
    await blk.remove();
    seen.push(blk.isReadOnly);
    expect(seen).toEqual([false, true, true, false, false]);
  });

  test('ATT-15: open flags are those of the medium, else the saved ones, at first none', async () => {
    await using blk = empty();
    expect(blk.openFlags).toEqual([]);
    await using holder = await open(
      fastDisk({ 'node-name': 'n', discard: 'unmap', cache: { 'no-flush': true } }),
    );
    await blk.insert('n');
    const flags = ['read-write', 'no-flush', 'unmap'];
    expect([blk.openFlags, blk.rootState.openFlags]).toEqual([flags, []]);
    await blk.remove();
    expect([blk.openFlags, holder.openFlags]).toEqual([flags, flags]);
  });

  test('ATT-16: the next medium is writable unless the last was read-only, flags or not', async () => {
    await using blk = empty();
    // No flags were saved, but no read-only either.
    expect([blk.openFlags, blk.nextOpenFlags]).toEqual([[], ['read-write']]);
    await using readOnly = await open(
      fastDisk({ 'read-only': true, discard: 'unmap', 'node-name': 'ro' }),
    );
    await blk.insert('ro');
    await blk.remove();
    expect([blk.nextOpenFlags, readOnly.nextOpenFlags]).toEqual([['unmap'], ['read-write']]);
  });

  test('ATT-17: saved flags come back as they are; a fresh empty backend supports no writes', async () => {
    await using blk = empty({ permissions: ['write'] });
    expect([blk.supportsWrite, blk.isWritable, blk.rootState.openFlags]).toEqual([false, true, []]);
    await using readOnly = await open(fastDisk({ 'read-only': true }));
    await using writable = await open(fastDisk({ 'node-name': 'rw' }));
    expect([readOnly.supportsWrite, writable.supportsWrite]).toEqual([false, true]);
    await blk.insert('rw');
    expect(blk.supportsWrite).toBe(true);
    await blk.remove();
    expect([blk.supportsWrite, blk.rootState.openFlags]).toEqual([false, ['read-write']]);
  });

  test.each([
    ['off', false],
    ['on', true],
    ['unmap', true],
  ] as const)(
    'ATT-18: detect-zeroes=%s is saved as %s, so unmap comes back as on',
    async (value, saved) => {
      await using blk = await open(fastDisk({ discard: 'unmap', 'detect-zeroes': value }));
      expect(blk.root?.state.detectZeroes).toBe(value);
      await blk.remove();
      expect(blk.rootState.detectZeroes).toBe(saved);
    },
  );

  test('ATT-19: a drive without file and options is empty, and remembers how to open its medium', async () => {
    const settings = { context: context() };
    await using blk = await createDrive({}, settings);
    expect([blk.root, blk.permissions, blk.shared.length]).toEqual([undefined, [], 4]);
    expect(blk.rootState).toMatchObject({ readOnly: false, openFlags: ['read-write'] });
    await using preset = await createDrive(
      { 'read-only': true, discard: 'unmap', 'detect-zeroes': 'unmap', cache: { direct: true } },
      { ...settings, name: 'd0' },
    );
    expect(preset).toMatchObject({ isReadOnly: true, name: 'd0', root: undefined });
    expect(preset.rootState).toEqual({
      readOnly: true,
      detectZeroes: true,
      openFlags: ['no-cache', 'unmap'],
      cache: { direct: true, noFlush: false },
    });
    expect(preset.openFlags).toEqual(['no-cache', 'unmap']);
    const filename = newImage();
    await using full = await createDrive({ file: filename, 'read-only': true }, settings);
    expect([full.root?.driver.name, full.isReadOnly]).toEqual(['raw', true]);
    await using other = await createDrive({ driver: 'null-co' }, settings);
    expect(other.root?.driver.name).toBe('null-co');
    expect(await codeOf(createDrive({ size: 512 }, settings))).toBe('EINVAL');
    expect(await codeOf(createDrive({ 'detect-zeroes': 'unmap' }, settings))).toBe('EINVAL');
  });

  test('ATT-20: replacing the root swaps the node under a live backend', async () => {
    await using first = await open({ driver: 'x-probe', 'node-name': 'first' });
    await using second = await open({ driver: 'x-probe', 'node-name': 'second' });
    await second.pwrite(0, Buffer.alloc(512, '2'));
    await using blk = empty({ name: 'd0', permissions: ['consistent-read'] });
    await blk.insert('first');
    const calls: string[] = [];
    blk.addInsertNotifier(() => calls.push('insert'));
    blk.addRemoveNotifier(() => calls.push('remove'));
    const gates = [probe('first'), probe('second')] as const;
    gates[0].hold('pread', 'gate');
    const running = blk.pread(0, sector);
    const replaced = blk.replaceRoot('second');
    await until(() => blk.quiesceCount > 0);
    // Both are drained while it waits.
    expect([first.quiesceCount, second.quiesceCount]).toEqual([1, 1]);
    const buffer = Buffer.alloc(512);
    const waiting = blk.pread(0, buffer);
    gates[0].release('gate');
    await replaced;
    expect([await running, await waiting, buffer[0]]).toEqual([512, 512, '2'.charCodeAt(0)]);
    expect([blk.root?.name, blk.name, calls]).toEqual(['second', 'd0', []]);
    expect(gates.map((gate) => gate.calls('pread'))).toEqual([1, 1]);
    expect([first, second].map(({ root }) => root?.parents.length)).toEqual([1, 2]);
  });

  test('ATT-20: a refused replacement goes back to the old node and loses no request', async () => {
    await using first = await open(fastDisk({ 'node-name': 'first' }));
    await using second = await open(fastDisk({ 'node-name': 'second' }), { shared: [] });
    await using blk = empty({ permissions: ['write'] });
    await blk.insert('first');
    const requests = Array.from({ length: 20 }, () => blk.pwrite(0, sector));
    const replaced = blk.replaceRoot('second');
    requests.push(...Array.from({ length: 20 }, () => blk.pwrite(0, sector)));
    expect(await codeOf(replaced)).toBe('EPERM');
    expect(await Promise.all(requests)).toEqual(new Array(40).fill(512));
    expect(blk.root).toBe(first.root);
    expect([second.root?.parents.length, blk.quiesceCount]).toEqual([1, 0]);
  });

  test('NEW-6: a root is replaced under one check of the graph as it will be', async () => {
    await using first = await open({ driver: 'x-probe', 'node-name': 'first' });
    // Its two users must not write to one node at a time; where they end up they do not.
    await using writer = empty({ permissions: ['write'], shared: ['consistent-read'] });
    await using second = await open(
      { driver: 'x-probe', 'node-name': 'second' },
      { permissions: ['consistent-read'], shared: ['consistent-read', 'write'] },
    );
    await first.remove();
    await monitorNode({ driver: 'x-probe', 'node-name': 'third' });
    await writer.insert('third');
    await writer.replaceRoot('second');
    expect([writer.root?.name, second.root?.parents.length]).toEqual(['second', 2]);
    await using late = empty({ permissions: ['write'] });
    await late.insert('third');
    expect(await codeOf(late.replaceRoot('second'))).toBe('EPERM');
    expect([late.root?.name, second.root?.parents.length]).toEqual(['third', 2]);
    await late.remove();
    await dropMonitorNode(graph().find('third'));
  });

  test('ATT-21: a change of the graph moves the root without notifiers, context notifiers follow', async () => {
    const node = await monitorNode(fastDisk({ 'node-name': 'n' }));
    await using blk = empty({ permissions: ['consistent-read', 'write'] });
    await blk.insert('n');
    const calls: unknown[] = [];
    blk.addInsertNotifier(() => calls.push('insert'));
    blk.addRemoveNotifier(() => calls.push('remove'));
    const attached = (to: AioContext) => calls.push(to);
    const detach = () => calls.push('detach');
    blk.addContextNotifier(attached, detach);
    const [overlay, next] = [await probeNode('top'), await probeNode('next')];
    await appendNode('top', 'n');
    expect([blk.root, calls]).toEqual([overlay, []]);
    await replaceNode('top', 'next');
    expect([blk.root, calls]).toEqual([next, []]);
    await blk.setContext(other);
    expect(calls.splice(0)).toEqual(['detach', other]);
    await blk.pwrite(0, sector);
    expect([probe('next').calls('pwrite'), probe('top').calls('pwrite')]).toEqual([1, 0]);
    // Whoever has left the backend moves without it.
    await blk.remove();
    expect([calls.splice(0), next.context]).toEqual([['remove'], AioContext.main]);
    blk.removeContextNotifier(attached, detach);
    for (const each of [next, overlay, node]) await dropMonitorNode(each);
  });
});
