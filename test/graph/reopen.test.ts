// Several nodes are given other options and other children at once, while requests run.
import { environment } from '../../lib/aio/environment.js';
import {
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevReopen,
  freezeBackingChain,
  graphDump,
  probe,
  ThrottleGroup,
  thawBackingChain,
} from '../../lib/index.js';
import { clearGraph, contentOf, links, nodeOf, refused, underLoad } from '../support/graph.js';
import { image } from '../support/images.js';
import { fileOptions, onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf, openFlags } from '../support/requests.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A disk in memory. */
const memory = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
  driver: 'x-probe',
  'node-name': name,
  ...more,
});

/** An image format over `file`: data and metadata in its file, unshared. */
const format = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
  driver: 'x-probe',
  'node-name': name,
  ...more,
});

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const add = (options: BlockdevOptions) => blockdevAdd(options);
  const open = (node: string, settings = {}) =>
    BlockBackend.open(node, { context: context(), ...settings });
  const reopen = (...options: Partial<BlockdevOptions>[]) =>
    blockdevReopen(options as BlockdevOptions[]);

  test('REOP-1: a list of two: a bad second entry undoes the first, two good ones both hold', async () => {
    await add(memory('a', { note: 'old a' }));
    await add(memory('b', { note: 'old b' }));
    const blk = await open('a');
    const other = await open('b');
    await underLoad(blk, async () => {
      const error = await refused(() =>
        reopen({ 'node-name': 'a', note: 'new a' }, { 'node-name': 'b', colour: 'red' }),
      );
      expect(error.code).toBe('EINVAL');
      expect([probe('a').note, probe('b').note]).toEqual(['old a', 'old b']);
      probe('b').failNext('reopenPrepare', 'EIO');
      const failed = await refused(() =>
        reopen({ 'node-name': 'a', note: 'new a' }, { 'node-name': 'b', note: 'new b' }),
      );
      expect(failed.code).toBe('EIO');
      expect([probe('a').note, probe('b').note]).toEqual(['old a', 'old b']);
      await reopen({ 'node-name': 'a', note: 'new a' }, { 'node-name': 'b', note: 'new b' });
    });
    expect([probe('a').note, probe('b').note]).toEqual(['new a', 'new b']);
    expect(await contentOf(other, 0, 1)).toBe('\0');
  });

  test('NEW-7: one reopen changes several nodes, and limits of a throttle group change at run time', async () => {
    const group = new ThrottleGroup('limits', { 'iops-total': 10 });
    await add(memory('a', { note: 'old a' }));
    await add(memory('b', { note: 'old b' }));
    await reopen({ 'node-name': 'a', note: 'new a' }, { 'node-name': 'b', note: 'new b' });
    expect([probe('a').note, probe('b').note]).toEqual(['new a', 'new b']);
    group.update({ 'iops-total': 1000 });
    expect(group.limits['iops-total']).toBe(1000);
    group.delete();
  });

  test('REOP-1: all nodes of the list and their inheriting children are drained meanwhile', async () => {
    await add(format('top', { file: memory('inner') }));
    const blk = await open('top');
    probe('inner').hold('reopenPrepare', 'gate');
    const done = reopen({ 'node-name': 'top', note: 'x', file: 'inner' });
    while (probe('inner').held('gate') === 0) await new Promise(setImmediate);
    const counts = graphDump().nodes.map(({ name, quiesceCount }) => [name, quiesceCount > 0]);
    expect(counts).toEqual([
      ['inner', true],
      ['top', true],
    ]);
    const parked = blk.pread(0, Buffer.alloc(512));
    expect(blk.parked).toBe(1);
    probe('inner').release('gate');
    await done;
    expect(await parked).toBe(512);
    expect(graphDump().nodes.map(({ quiesceCount }) => quiesceCount)).toEqual([0, 0]);
  });

  test('REOP-2: a failed flush of any node aborts before anything is prepared', async () => {
    await add(memory('a'));
    await add(memory('b'));
    const blk = await open('b');
    await blk.pwrite(0, Buffer.alloc(512));
    probe('b').failNext('flush', 'ENOSPC');
    const both = () => reopen({ 'node-name': 'a', note: 'x' }, { 'node-name': 'b', note: 'y' });
    expect((await refused(both)).code).toBe('ENOSPC');
    expect([probe('a').calls('reopenPrepare'), probe('b').calls('reopenPrepare')]).toEqual([0, 0]);
    await both();
    expect([probe('a').calls('reopenCommit'), probe('b').calls('reopenCommit')]).toEqual([1, 1]);
  });

  test('REOP-2: what was prepared is aborted when another cannot be, and commits are in reverse order', async () => {
    const nodes = [await add(memory('a')), await add(memory('b')), await add(memory('c'))];
    const all = () =>
      reopen(
        { 'node-name': 'a', note: 'x' },
        { 'node-name': 'b', note: 'x' },
        { 'node-name': 'c', note: 'x' },
      );
    probe('c').failNext('reopenPrepare');
    expect((await refused(all)).code).toBe('EIO');
    const { binding } = environment();
    expect([probe('a').calls('reopenAbort'), probe('b').calls('reopenAbort')]).toEqual([1, 1]);
    expect([probe('a').calls('reopenCommit'), probe('b').calls('reopenCommit')]).toEqual([0, 0]);
    const settle = jest.spyOn(binding, 'nodeReopenSettle');
    try {
      await all();
      expect(settle.mock.calls).toEqual(nodes.map(({ handle }) => [handle, true]).reverse());
    } finally {
      settle.mockRestore();
    }
  });

  test('REOP-2: permissions are those of the resulting graph', async () => {
    await add(memory('a', { note: 'old' }));
    await open('a', { permissions: ['consistent-read', 'write'] });
    const error = await refused(() => reopen({ 'node-name': 'a', note: 'new', 'read-only': true }));
    expect(error.code).toBe('EPERM');
    expect(probe('a').calls('reopenCommit')).toBe(0);
    expect(probe('a').calls('reopenAbort')).toBe(probe('a').calls('reopenPrepare'));
    expect(probe('a').note).toBe('old');
  });

  test('REOP-1: a lock that others hold undoes all of it, descriptors included', async () => {
    const filename = image(MIB);
    await add(format('top', { note: 'old', file: fileOptions(filename, { 'node-name': 'file' }) }));
    await reopen({ 'node-name': 'top', file: 'file', note: 'old', 'read-only': true });
    const blk = await open('top', { permissions: ['consistent-read'] });
    const other = await BlockBackend.open(fileOptions(filename, { 'read-only': true }), {
      context: context(),
      permissions: ['consistent-read'],
      shared: ['consistent-read'],
    });
    const modes = () => openFlags(filename).map((flags) => flags & 3);
    while (modes().length > 2) await new Promise(setImmediate);
    const writable = () =>
      reopen({ 'node-name': 'top', file: 'file', note: 'new', 'read-only': false });
    for (let round = 0; round < 3; round += 1) {
      expect((await refused(writable)).code).toBe('EAGAIN');
      while (modes().length > 2) await new Promise(setImmediate);
      expect(modes()).toEqual([0, 0]);
      expect([probe('top').note, nodeOf('file').openForWriting]).toEqual(['old', false]);
      expect(await contentOf(blk, 0, 1)).toBe('\0');
    }
    await other.close();
    await writable();
    while (modes().length > 1) await new Promise(setImmediate);
    expect([modes(), probe('top').note]).toEqual([[2], 'new']);
    const writer = await open('top');
    expect(await writer.pwrite(0, Buffer.alloc(512))).toBe(512);
  });

  test('REOP-7: read-only=on is refused while somebody above writes, and done when nobody does', async () => {
    await add(memory('a'));
    const writer = await open('a');
    await underLoad(writer, async () => {
      const error = await refused(() => reopen({ 'node-name': 'a', 'read-only': true }));
      expect(error.code).toBe('EPERM');
    });
    await writer.close();
    await open('a', { permissions: ['consistent-read'] });
    await reopen({ 'node-name': 'a', 'read-only': true });
    expect(nodeOf('a').readOnly).toBe(true);
    expect(await codeOf(open('a', { permissions: ['write'] }))).toBe('EPERM');
    await reopen({ 'node-name': 'a', 'read-only': false });
    const again = await open('a');
    expect(await again.pwrite(0, Buffer.alloc(512))).toBe(512);
  });

  test('REOP-7: back to read-write only if it was opened such that it may, and if its file permits', async () => {
    await add(memory('fixed', { 'read-only': true }));
    const fixed = await refused(() => reopen({ 'node-name': 'fixed', 'read-only': false }));
    expect(fixed.code).toBe('EINVAL');
    await add(memory('file'));
    await add(format('top', { file: 'file' }));
    await reopen({ 'node-name': 'top', 'read-only': true, file: 'file' });
    await reopen({ 'node-name': 'file', 'read-only': true });
    const reader = await open('top', { permissions: ['consistent-read'] });
    const error = await refused(() =>
      reopen({ 'node-name': 'top', 'read-only': false, file: 'file' }),
    );
    expect(error.code).toBe('EPERM');
    expect(nodeOf('top').readOnly).toBe(true);
    await reopen({ 'node-name': 'file', 'read-only': false });
    await reopen({ 'node-name': 'top', 'read-only': false, file: 'file' });
    expect(nodeOf('top').readOnly).toBe(false);
    expect(await contentOf(reader, 0, 1)).toBe('\0');
  });

  test('REOP-7: a backing file is read-only by default and can be made writable', async () => {
    await add(format('top', { backing: memory('base') }));
    expect(nodeOf('base').state).toMatchObject({ readOnly: true, mayWrite: true });
    await reopen({ 'node-name': 'base', 'read-only': false });
    expect(nodeOf('base').readOnly).toBe(false);
  });

  test('REOP-9: the same child by its name keeps its options and takes new defaults from its parent', async () => {
    await add(format('top', { file: memory('inner', { note: 'kept', size: 2 * MIB }) }));
    await open('top', { permissions: ['consistent-read'] });
    await reopen({ 'node-name': 'top', file: 'inner', 'read-only': true });
    expect(probe('inner').note).toBe('kept');
    expect(nodeOf('inner').options.size).toBe(2 * MIB);
    expect(nodeOf('inner').readOnly).toBe(true);
    expect(probe('inner').calls('reopenCommit')).toBe(1);
  });

  test('REOP-9: another node by its name takes the place of file or backing, with requests running', async () => {
    await add(memory('one'));
    await add(memory('two'));
    await add(memory('base1'));
    await add(memory('base2'));
    await add(
      format('top', {
        roles: { file: 'data,metadata,primary', backing: 'cow' },
        file: 'one',
        backing: 'base1',
      }),
    );
    const blk = await open('top');
    const roles = { roles: { file: 'data,metadata,primary', backing: 'cow' } };
    await underLoad(blk, async () => {
      await reopen({ 'node-name': 'top', ...roles, file: 'two', backing: 'base1' });
      await reopen({ 'node-name': 'top', ...roles, file: 'two', backing: 'base2' });
    });
    expect(links()).toEqual(['-.root -> top', 'top.backing -> base2', 'top.file -> two']);
    await blk.pwrite(0, Buffer.from('two!'));
    const two = await open('two', { permissions: ['consistent-read'], shared: undefined });
    expect(await contentOf(two, 0, 4)).toBe('two!');
    await reopen({ 'node-name': 'top', ...roles, file: 'two', backing: null });
    expect(nodeOf('top').backing).toBeUndefined();
  });

  test('REOP-9: null takes only a backing file away, and an empty name is refused', async () => {
    await add(memory('inner'));
    await add(format('top', { file: 'inner', backing: memory('base') }));
    await open('top', { permissions: ['consistent-read'] });
    const wrong: Partial<BlockdevOptions>[] = [
      { file: '', backing: 'base' },
      { file: 'inner', backing: '' },
      { file: null, backing: 'base' },
      { file: 'nobody', backing: 'base' },
      { file: 'inner', backing: 'nobody' },
    ];
    for (const options of wrong) {
      const error = await refused(() => reopen({ 'node-name': 'top', ...options }));
      expect([options, error.code]).toEqual([options, 'EINVAL']);
    }
    await reopen({ 'node-name': 'top', file: 'inner', backing: null });
    expect(links()).toEqual(['-.root -> top', 'top.file -> inner']);
  });

  test('REOP-9: only file and backing can lead elsewhere', async () => {
    await add(memory('one'));
    await add(memory('two'));
    const roles = { roles: { log: 'metadata' } };
    await add(memory('top', { ...roles, log: 'one' }));
    const other = () => reopen({ 'node-name': 'top', ...roles, log: 'two' });
    expect((await refused(other)).code).toBe('EINVAL');
    await reopen({ 'node-name': 'top', ...roles, log: 'one' });
  });

  test('REOP-10: backing must be given when there is one, or when the header names one', async () => {
    await add(memory('base'));
    await add(memory('top', { backing: 'base' }));
    expect((await refused(() => reopen({ 'node-name': 'top' }))).message).toMatch(/'backing'/);
    await reopen({ 'node-name': 'top', backing: 'base' });
    await reopen({ 'node-name': 'top', backing: null });
    await reopen({ 'node-name': 'top' });
    probe('top').header = 'base.img';
    expect((await refused(() => reopen({ 'node-name': 'top' }))).message).toMatch(/'backing'/);
    await reopen({ 'node-name': 'top', backing: null });
    expect(nodeOf('top').backing).toBeUndefined();
  });

  test('REOP-11: an implicit filter, a frozen link and a cycle are refused, with requests running', async () => {
    await add(memory('base'));
    await add(memory('other'));
    await add(memory('filter', { filter: true, file: 'base' }));
    await add(memory('top', { backing: 'filter' }));
    await add(memory('above', { backing: 'top' }));
    const blk = await open('above');
    await underLoad(blk, async () => {
      nodeOf('filter').implicit = true;
      const lead = (backing: string | null) => () => reopen({ 'node-name': 'top', backing });
      expect((await refused(lead('other'))).code).toBe('EINVAL');
      expect((await refused(lead(null))).code).toBe('EINVAL');
      // The filter is not to be seen: this is what the user takes the child for.
      await lead('base')();
      nodeOf('filter').implicit = false;
      freezeBackingChain('top', 'filter');
      expect((await refused(lead('other'))).code).toBe('EPERM');
      expect((await refused(lead(null))).code).toBe('EPERM');
      thawBackingChain('top', 'filter');
      for (const [node, below] of [
        ['top', 'above'],
        ['top', 'top'],
      ] as const) {
        const cycle = await refused(() => reopen({ 'node-name': node, backing: below }));
        expect(cycle.code).toBe('EINVAL');
        expect(cycle.message).toContain(`'${node}'`);
        expect(cycle.message).toContain(`'${below}'`);
      }
      await lead('other')();
    });
    expect(nodeOf('top').backing?.child.name).toBe('other');
  });

  test('REOP-12: swapping the files of two active nodes works in one call only', async () => {
    await add(memory('f1'));
    await add(memory('f2'));
    await add(format('a', { file: 'f1' }));
    await add(format('b', { file: 'f2' }));
    const [a, b] = [await open('a'), await open('b')];
    await a.pwrite(4096, Buffer.from('one'));
    await b.pwrite(4096, Buffer.from('two'));
    await underLoad(a, () =>
      underLoad(b, async () => {
        expect((await refused(() => reopen({ 'node-name': 'a', file: 'f2' }))).code).toBe('EPERM');
        expect((await refused(() => reopen({ 'node-name': 'b', file: 'f1' }))).code).toBe('EPERM');
        await reopen({ 'node-name': 'a', file: 'f2' }, { 'node-name': 'b', file: 'f1' });
      }),
    );
    expect(links()).toEqual(['-.root -> a', '-.root -> b', 'a.file -> f2', 'b.file -> f1']);
    expect([await contentOf(a, 4096, 3), await contentOf(b, 4096, 3)]).toEqual(['two', 'one']);
  });

  test('REOP-13: a filter goes between a format and its file, and out again, with requests running', async () => {
    await add(fileOptions(image(MIB), { 'node-name': 'file' }));
    await add(format('top', { file: 'file' }));
    const blk = await open('top');
    await blk.pwrite(8192, Buffer.from('kept'));
    await add({ driver: 'x-probe', 'node-name': 'filter', filter: true, file: 'file' });
    for (let round = 0; round < 5; round += 1) {
      await underLoad(blk, async () => {
        const before = probe('filter').calls('pread') + probe('filter').calls('pwrite');
        await reopen({ 'node-name': 'top', file: 'filter' });
        expect(links()).toEqual(['-.root -> top', 'filter.file -> file', 'top.file -> filter']);
        await blk.pread(0, Buffer.alloc(512));
        expect(probe('filter').calls('pread') + probe('filter').calls('pwrite')).toBeGreaterThan(
          before,
        );
        await reopen({ 'node-name': 'top', file: 'file' });
        expect(links()).toEqual(['-.root -> top', 'filter.file -> file', 'top.file -> file']);
      });
    }
    expect(await contentOf(blk, 8192, 4)).toBe('kept');
  });

  test('REOP-14: blkverify cannot be reopened, alone or in a list', async () => {
    await add(memory('other', { note: 'old' }));
    await add({ driver: 'blkverify', 'node-name': 'v', raw: memory('r'), test: memory('t') });
    const blk = await open('v');
    await underLoad(blk, async () => {
      const alone = await refused(() => reopen({ 'node-name': 'v', raw: 'r', test: 't' }));
      expect(alone.message).toMatch(/'blkverify' cannot be reopened/);
      const list = await refused(() => reopen({ 'node-name': 'other' }, { 'node-name': 'v' }));
      expect(list.code).toBe('EINVAL');
    });
    expect(probe('other').note).toBe('old');
  });

  test('REOP-15: children opened by reference stay as they are, and take no options from their parent', async () => {
    await add(memory('inner', { note: 'own' }));
    await add(memory('base', { note: 'own' }));
    await add(format('top', { file: 'inner', backing: 'base' }));
    await open('top', { permissions: ['consistent-read'] });
    const before = [nodeOf('inner').state, nodeOf('base').state];
    await reopen({ 'node-name': 'top', file: 'inner', backing: 'base', 'read-only': true });
    expect([nodeOf('inner').state, nodeOf('base').state]).toEqual(before);
    expect([probe('inner').calls('reopenPrepare'), probe('base').calls('reopenPrepare')]).toEqual([
      0, 0,
    ]);
    const error = await refused(() =>
      reopen({ 'node-name': 'top', file: 'inner', 'backing.note': 'new' }),
    );
    expect([error.code, error.message]).toEqual(['EINVAL', expect.stringMatching(/'backing'/)]);
    const file = await refused(() =>
      reopen({ 'node-name': 'top', file: { note: 'new' }, backing: 'base' }),
    );
    expect(file.message).toMatch(/'file'/);
  });

  test('REOP-17: raw: reads see the new window at once, with requests running', async () => {
    await add(memory('disk'));
    await add({ driver: 'raw', 'node-name': 'window', file: 'disk', offset: 0, size: 64 * KIB });
    const disk = await open('disk', { shared: ['consistent-read', 'write'] });
    const blk = await open('window');
    for (let at = 0; at < 8; at += 1)
      await disk.pwrite(at * 64 * KIB + 4096, Buffer.from([0x30 + at]));
    await underLoad(blk, async () => {
      for (const at of [3, 0, 7]) {
        const size = 32 * KIB * (at + 1);
        const offset = at * 64 * KIB;
        if (offset + size > MIB) continue;
        await reopen({ 'node-name': 'window', file: 'disk', offset, size });
        expect(await contentOf(blk, 4096, 1)).toBe(String(at));
        expect(await blk.getLength()).toBe(size);
      }
      const beyond = { 'node-name': 'window', file: 'disk', offset: MIB + 512 };
      expect((await refused(() => reopen(beyond))).code).toBe('EINVAL');
    });
    await reopen({ 'node-name': 'window', file: 'disk' });
    expect(await blk.getLength()).toBe(MIB);
    expect(nodeOf('window').child('file')?.edge.role).toBe(0x14);
  });

  test('REOP-19: another access mode comes with another descriptor, and the old one goes', async () => {
    const filename = image(MIB);
    await add(fileOptions(filename, { 'node-name': 'file' }));
    const blk = await open('file', { permissions: ['consistent-read'] });
    const modes = () => openFlags(filename).map((flags) => flags & 3);
    expect(modes()).toEqual([2]);
    const direct = nodeOf('file').state.direct ? { cache: { direct: true } } : {};
    for (const readOnly of [true, false]) {
      const options = { 'node-name': 'file', filename, 'read-only': readOnly, ...direct };
      await reopen(options);
      while (modes().length > 1) await new Promise(setImmediate);
      expect(modes()).toEqual([readOnly ? 0 : 2]);
      expect(await contentOf(blk, 0, 1)).toBe('\0');
    }
  });
});
