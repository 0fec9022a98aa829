// Nodes by command: names, references, deleting, adding children, snapshots.
import { graph } from '../../lib/graph/graph.js';
import {
  allocatedSize,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  blockdevSnapshot,
  graphDump,
  ProbeJob,
  probe,
  xBlockdevChange,
} from '../../lib/index.js';
import { clearGraph, contentOf, links, nodeOf, refused, underLoad } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';

const MIB = 1 << 20;

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });
  const open = (node: string, settings = {}) =>
    BlockBackend.open(node, { context: context(), ...settings });
  const names = () => graphDump().nodes.map(({ name }) => name);
  const reason = async (change: () => Promise<unknown>) => {
    const { code, message } = await refused(change);
    return [code, message];
  };

  test('GRAPH-1: a node by command needs a name; nested ones are named or get one', async () => {
    expect(await reason(() => blockdevAdd({ driver: 'x-probe' }))).toEqual([
      'EINVAL',
      expect.stringContaining("'node-name'"),
    ]);
    await add('top', {
      file: { driver: 'x-probe' },
      backing: { driver: 'null-co', 'node-name': 'b' },
    });
    expect(names()).toEqual([expect.stringMatching(/^#block\d{3,}$/), 'b', 'top']);
    const blk = await open('top');
    expect(await blk.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('GRAPH-2: malformed, duplicate, device-clashing or too long: refused, and nothing is opened', async () => {
    await add('taken');
    const blk = await open('taken', { name: 'device' });
    const wrong = ['1a', '_a', '#block0', 'a b', 'a/b', '', 'taken', 'device', 'n'.repeat(32)];
    await underLoad(blk, async () => {
      for (const name of wrong) {
        expect([name, await reason(() => add(name))]).toEqual([
          name,
          ['EINVAL', expect.anything()],
        ]);
        const nested = () => add('top', { file: { driver: 'x-probe', 'node-name': name } });
        expect((await refused(nested)).code).toBe('EINVAL');
        const late = () =>
          add('top', {
            file: { driver: 'x-probe' },
            backing: { driver: 'x-probe', 'node-name': name },
          });
        expect((await refused(late)).code).toBe('EINVAL');
      }
    });
    await add('n'.repeat(31));
    expect(names()).toEqual(['n'.repeat(31), 'taken']);
  });

  test('GRAPH-3: a string names a node or the root of a device, and goes with no other option', async () => {
    await add('node');
    const blk = await open('node', { name: 'device' });
    const filename = image(512);
    const wrong: Partial<BlockdevOptions>[] = [
      { file: 'nobody' },
      { file: 'node', 'file.driver': 'x-probe' },
      { file: 'node', 'file.note': 'x' },
      { file: 'node', 'file.filename': filename },
      { file: 'node', filename },
      { file: '', backing: 'nobody' },
    ];
    await underLoad(blk, async () => {
      for (const options of wrong) {
        expect([options, (await refused(() => add('top', options))).code]).toEqual([
          options,
          'EINVAL',
        ]);
      }
      await add('top', { backing: 'node' });
      await add('top2', { backing: 'device' });
    });
    expect(links()).toEqual(['device.root -> node', 'top.backing -> node', 'top2.backing -> node']);
  });

  test('GRAPH-25: delete: unknown, in use by a backend, blocked, not owned, referenced, in that order', async () => {
    await add('base');
    await add('over', { backing: { driver: 'x-probe', 'node-name': 'nested' } });
    const del = (name: string) => () => blockdevDel(name);
    expect((await refused(del('nobody'))).code).toBe('ENOENT');
    // Used by a backend, blocked, not owned and referenced: the first counts.
    const blk = await open('nested', { permissions: ['consistent-read'] });
    expect(await reason(del('nested'))).toEqual(['EBUSY', expect.stringContaining('in use')]);
    await blk.close();
    expect(await reason(del('nested'))).toEqual(['EBUSY', expect.stringContaining('backing hd')]);
    await add('over2', { file: { driver: 'x-probe', 'node-name': 'inline' } });
    expect(await reason(del('inline'))).toEqual(['EPERM', expect.stringContaining('monitor')]);
    const job = new ProbeJob('job');
    await job.attach(nodeOf('base'));
    expect(await reason(del('base'))).toEqual(['EBUSY', expect.stringContaining('in use')]);
    await job.detach();
    nodeOf('base').references += 1;
    expect((await refused(del('base'))).code).toBe('EBUSY');
    nodeOf('base').references -= 1;
    await blockdevDel('base');
    expect((await refused(del('base'))).code).toBe('ENOENT');
  });

  test('GRAPH-26: with a parent go its nested children without other owners; named ones by reference stay', async () => {
    await add('referenced');
    await add('shared', { file: { driver: 'x-probe', 'node-name': 'kept' } });
    await add('top', {
      file: 'referenced',
      backing: { driver: 'x-probe', file: { driver: 'x-probe', 'node-name': 'deep' } },
    });
    await add('reader', { backing: 'kept' });
    const blk = await open('reader');
    await underLoad(blk, async () => {
      await blockdevDel('top');
      await blockdevDel('shared');
    });
    expect(names()).toEqual(['kept', 'reader', 'referenced']);
    await blk.close();
    await blockdevDel('reader');
    expect(names()).toEqual(['referenced']);
  });

  test('GRAPH-27: a nested named child cannot be deleted, and is gone when its parent is', async () => {
    await add('top', { file: { driver: 'x-probe', 'node-name': 'nested' } });
    const blk = await open('top');
    await underLoad(blk, async () => {
      expect((await refused(() => blockdevDel('nested'))).code).toBe('EPERM');
    });
    await blk.close();
    await blockdevDel('top');
    expect(names()).toEqual([]);
    expect((await refused(() => blockdevDel('nested'))).code).toBe('ENOENT');
  });

  test('GRAPH-28: children are added and removed only where a driver can, and here none can', async () => {
    await add('top', { file: { driver: 'x-probe' } });
    await add('other');
    const blk = await open('top');
    await underLoad(blk, async () => {
      expect((await refused(() => xBlockdevChange({ parent: 'top', node: 'other' }))).code).toBe(
        'ENOTSUP',
      );
      expect((await refused(() => xBlockdevChange({ parent: 'top', child: 'file' }))).code).toBe(
        'ENOTSUP',
      );
      const both = { parent: 'top', child: 'file', node: 'other' };
      expect((await refused(() => xBlockdevChange(both))).code).toBe('EINVAL');
      expect((await refused(() => xBlockdevChange({ parent: 'top' }))).code).toBe('EINVAL');
      const unknown = { parent: 'top', node: 'nobody' };
      expect((await refused(() => xBlockdevChange(unknown))).code).toBe('ENOENT');
    });
  });

  test('GRAPH-29: snapshot: an overlay with users or a backing file is refused; the backend sees the new top', async () => {
    await add('disk');
    const blk = await open('disk', { name: 'd0' });
    await blk.pwrite(65536, Buffer.from('before'));
    const snapshot = (overlay: string) => () => blockdevSnapshot({ node: 'd0', overlay });
    await underLoad(blk, async () => {
      expect((await refused(snapshot('nobody'))).code).toBe('ENOENT');
      await add('used');
      const user = await open('used');
      expect((await refused(snapshot('used'))).code).toBe('EBUSY');
      await user.close();
      await add('parent', { file: 'used' });
      expect((await refused(snapshot('used'))).code).toBe('EBUSY');
      await add('backed', { backing: 'used' });
      expect((await refused(snapshot('backed'))).code).toBe('EINVAL');
      expect((await refused(() => add('disk'))).code).toBe('EINVAL');
      await add('overlay');
      await snapshot('overlay')();
    });
    expect(blk.root?.name).toBe('overlay');
    expect(await contentOf(blk, 65536, 6)).toBe('before');
    await blk.pwrite(65536, Buffer.from('after!'));
    const disk = await open('disk', { permissions: ['consistent-read'] });
    expect(await contentOf(disk, 65536, 6)).toBe('before');
  });

  test('GRAPH-30: a node without its image gives ENOMEDIUM, to a backend and to nodes above', async () => {
    await add('base');
    await add('top', { backing: 'base' });
    await add('file');
    await add('format', { file: 'file' });
    const over = await open('top', { permissions: ['consistent-read'] });
    const blk = await open('format');
    await blk.pwrite(0, Buffer.alloc(512));
    probe('base').eject();
    expect(await codeOf(over.pread(0, Buffer.alloc(512)))).toBe('ENOMEDIUM');
    probe('file').eject();
    const direct = await open('file', { permissions: ['consistent-read'] });
    for (const request of [
      blk.pread(0, Buffer.alloc(512)),
      blk.pwrite(0, Buffer.alloc(512)),
      blk.pwriteZeroes(0, 512),
      blk.pdiscard(0, 512),
      blk.flush(),
      blk.truncate(MIB),
      direct.pread(0, Buffer.alloc(512)),
    ]) {
      expect(await codeOf(request)).toBe('ENOMEDIUM');
    }
    expect(await codeOf(allocatedSize('file'))).toBe('ENOMEDIUM');
    expect(probe('file').calls('pread')).toBe(0);
  });

  test('GRAPH-31: allocated size: a format adds its storage children up, a filter asks its child', async () => {
    const filename = image(MIB, Buffer.from('x'));
    await blockdevAdd({ driver: 'file', 'node-name': 'file', filename, 'auto-read-only': true });
    const one = await allocatedSize('file');
    expect(one).toBeGreaterThanOrEqual(MIB);
    await add('memory', { file: null, size: MIB });
    const blk = await open('memory');
    await blk.pwrite(0, Buffer.alloc(1));
    expect(await allocatedSize('memory')).toBe(65536);
    await add('filter', { filter: true, file: 'file' });
    await blockdevAdd({ driver: 'raw', 'node-name': 'raw', file: 'filter' });
    expect([await allocatedSize('filter'), await allocatedSize('raw')]).toEqual([one, one]);
    const roles = { main: 'data,primary', log: 'metadata', under: 'cow' };
    await add('format', { roles, main: 'raw', log: 'memory', under: 'file', 'read-only': true });
    expect(await allocatedSize('format')).toBe(one + 65536);
    await blockdevAdd({
      driver: 'blkverify',
      'node-name': 'verify',
      raw: { driver: 'null-co' },
      test: { driver: 'null-co' },
    });
    expect(await allocatedSize('verify')).toBe(0);
  });

  test('GRAPH-32: has-zero-init: regular files, filters as their child, never over a backing file', async () => {
    const filename = image(MIB);
    const zero = (name: string) => nodeOf(name).info().hasZeroInit;
    await blockdevAdd({ driver: 'file', 'node-name': 'file', filename });
    await blockdevAdd({ driver: 'raw', 'node-name': 'raw', file: 'file' });
    await add('filter', { filter: true, file: 'raw' });
    await blockdevAdd({ driver: 'null-co', 'node-name': 'null' });
    await add('over-null', { filter: true, file: 'null' });
    await add('memory');
    await add('backed', { backing: 'memory' });
    await add('over-backed', { filter: true, file: 'backed' });
    await open('filter');
    expect(['file', 'raw', 'filter', 'memory'].map(zero)).toEqual([true, true, true, true]);
    expect(['null', 'over-null', 'backed', 'over-backed'].map(zero)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    await blockdevReopen([{ driver: 'x-probe', 'node-name': 'backed', backing: null }]);
    expect(zero('over-backed')).toBe(true);
    expect(graph().nodes.size).toBe(8);
  });
});
