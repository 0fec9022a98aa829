// Overlays on top, nodes in place of others, filters in and out, chains shortened and frozen.
import {
  appendNode,
  BlockBackend,
  type BlockdevOptions,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  blockdevSnapshot,
  dropFilter,
  dropIntermediate,
  freezeBackingChain,
  graphDump,
  ProbeJob,
  probe,
  replaceNode,
  setBackingFile,
  thawBackingChain,
} from '../../lib/index.js';
import { clearGraph, contentOf, links, nodeOf, refused, underLoad } from '../support/graph.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { codeThrown } from '../support/requests.js';

const READER = { permissions: ['consistent-read'] } as const;

onEveryEngineAndHome((context) => {
  afterEach(clearGraph);

  const add = (name: string, more: Partial<BlockdevOptions> = {}) =>
    blockdevAdd({ driver: 'x-probe', 'node-name': name, ...more });
  const open = (node: string, settings = {}) =>
    BlockBackend.open(node, { context: context(), ...settings });
  const frozen = () => graphDump().edges.filter((edge) => edge.frozen).length;

  /** top -> mid -> base, each of which has one of the first bytes. */
  const addChain = async () => {
    await add('base');
    await add('mid', { backing: 'base' });
    await add('top', { backing: 'mid' });
    for (const [at, name] of ['base', 'mid', 'top'].entries()) {
      const blk = await open(name, { shared: ['consistent-read', 'write', 'resize'] });
      await blk.pwrite(at * 65536, Buffer.from(name));
      await blk.close();
    }
  };

  test('GRAPH-15: a filter has one child, filtered and primary; a format data, metadata, primary; cow is never primary', async () => {
    await add('under');
    await add('filter', { filter: true, file: 'under' });
    await add('log');
    const roles = { file: 'data,metadata,primary', backing: 'cow', log: 'metadata' };
    await add('format', { roles, file: 'filter', log: 'log' });
    await add('usual', { file: { driver: 'null-co' }, backing: { driver: 'null-co' } });
    await open('format');
    const of = (name: string) => nodeOf(name).children.map(({ edge }) => [edge.name, edge.role]);
    expect(of('filter')).toEqual([['file', 0x14]]);
    expect(of('format')).toEqual([
      ['log', 0x02],
      ['file', 0x13],
    ]);
    expect(of('usual')).toEqual([
      ['backing', 0x08],
      ['file', 0x13],
    ]);
    const two = { roles: { a: 'primary,data', b: 'primary' } };
    expect((await refused(() => add('two', two))).code).toBe('EINVAL');
  });

  test('GRAPH-16: children are listed from the newest to the oldest', async () => {
    for (const name of ['one', 'two', 'three']) await add(name);
    const roles = { one: 'data,primary', two: 'metadata', three: 'data' };
    await add('above', { roles, one: 'one', two: 'two', three: 'three' });
    const children = () => nodeOf('above').children.map(({ edge }) => edge.child.name);
    expect(children()).toEqual(['three', 'two', 'one']);
  });

  test('GRAPH-16: parents are listed from the newest to the oldest', async () => {
    await add('node');
    const names = ['first', 'second', 'third'];
    for (const name of names) await open('node', { name });
    await add('above', { file: 'node', 'read-only': true });
    const parents = () => nodeOf('node').parents.map(({ parent }) => parent.describe());
    expect(parents().map((text) => /'(.*)'/.exec(text)?.[1])).toEqual([
      'above',
      'third',
      'second',
      'first',
    ]);
    expect(nodeOf('node').parentDeviceName).toBe('third');
    await BlockBackend.byName('third')?.close();
    expect(nodeOf('node').parentDeviceName).toBe('second');
  });

  test('GRAPH-17: a cycle is refused when it is attached, before anything has changed', async () => {
    await addChain();
    const blk = await open('top');
    await underLoad(blk, async () => {
      for (const [node, below] of [
        ['base', 'top'],
        ['base', 'base'],
        ['mid', 'top'],
      ] as const) {
        const error = await refused(() => setBackingFile(node, below));
        expect(error.code).toBe('EINVAL');
        expect(error.message).toContain('cycle');
        expect(error.message).toContain(`'${node}'`);
        expect(error.message).toContain(`'${below}'`);
      }
      expect((await refused(() => appendNode('base', 'top'))).code).toBe('EINVAL');
    });
    expect(probe('base').calls('childrenChanged')).toBe(0);
  });

  test('GRAPH-18: set a backing file: not supported, frozen, another one, none', async () => {
    await addChain();
    await blockdevAdd({ driver: 'null-co', 'node-name': 'null' });
    await add('other');
    const blk = await open('top');
    await underLoad(blk, async () => {
      expect((await refused(() => setBackingFile('null', 'other'))).code).toBe('EINVAL');
      freezeBackingChain('top', 'mid');
      expect((await refused(() => setBackingFile('top', 'other'))).code).toBe('EPERM');
      expect((await refused(() => setBackingFile('top', null))).code).toBe('EPERM');
      thawBackingChain('top', 'mid');
      await setBackingFile('top', 'other');
      expect(nodeOf('top').backing?.child.name).toBe('other');
      expect(await contentOf(blk, 65536, 3)).toBe('\0\0\0');
      await setBackingFile('top', 'mid');
      expect(await contentOf(blk, 65536, 3)).toBe('mid');
      await setBackingFile('top', null);
      await setBackingFile('top', null);
    });
    expect(nodeOf('top').backing).toBeUndefined();
    expect(nodeOf('mid').context.name).toBe('main');
  });

  test('GRAPH-19: append: other parents move to the new node, its own subtree and jobs stay', async () => {
    await add('top');
    await add('side', { file: 'top', roles: { file: 'filtered,primary' } });
    const roles = { backing: 'cow', side: 'data' };
    await add('new', { roles, side: 'side' });
    const device = await open('top', { name: 'd0' });
    await device.pwrite(65536, Buffer.from('old'));
    const job = new ProbeJob('job');
    await job.attach(nodeOf('top'));
    const before = graphDump();
    await underLoad(device, async () => {
      probe('new').failNext('checkPermissions', 'EACCES', 9);
      expect((await refused(() => appendNode('new', 'top'))).code).toBe('EACCES');
      probe('new').failNext('checkPermissions', 'EACCES', 0);
      await appendNode('new', 'top');
    });
    expect(before.edges).toHaveLength(4);
    expect(links()).toEqual([
      'd0.root -> new',
      'job.job -> top',
      'new.backing -> top',
      'new.side -> side',
      'side.file -> top',
    ]);
    expect(await contentOf(device, 65536, 3)).toBe('old');
    await device.pwrite(65536, Buffer.from('new'));
    expect(probe('new').allocatedClusters).toBeGreaterThan(0);
    await job.detach();
  });

  test('GRAPH-19: append: a refused permission restores everything', async () => {
    await add('top');
    await add('overlay', { 'read-only': true });
    const writer = await open('top');
    await underLoad(writer, async () => {
      expect((await refused(() => appendNode('overlay', 'top'))).code).toBe('EPERM');
    });
    await blockdevAdd({ driver: 'null-co', 'node-name': 'null' });
    expect((await refused(() => appendNode('null', 'top'))).code).toBe('EINVAL');
  });

  test('GRAPH-20: appending a filter whose target stands on that very node leaves that link alone', async () => {
    await add('node');
    await add('target', { backing: 'node' });
    await add('filter', { roles: { file: 'filtered,primary', target: 'data' }, target: 'target' });
    const blk = await open('node');
    await underLoad(blk, () => appendNode('filter', 'node'));
    expect(links()).toEqual([
      '-.root -> filter',
      'filter.file -> node',
      'filter.target -> target',
      'target.backing -> node',
    ]);
  });

  test('GRAPH-21: replace moves parents and skips those that would loop; frozen: EPERM and rollback', async () => {
    await add('from');
    await add('to', { filter: true, file: 'from' });
    await add('over', { backing: 'from' });
    await add('other');
    const first = await open('from');
    const second = await open('from', READER);
    await underLoad(first, async () => {
      freezeBackingChain('over', 'from');
      expect((await refused(() => replaceNode('from', 'to'))).code).toBe('EPERM');
      thawBackingChain('over', 'from');
      await replaceNode('from', 'to');
      expect(links()).toEqual([
        '-.root -> to',
        '-.root -> to',
        'over.backing -> to',
        'to.file -> from',
      ]);
    });
    await first.pwrite(0, Buffer.from('through'));
    expect(await contentOf(second, 0, 7)).toBe('through');
    expect((await refused(() => replaceNode('to', 'nobody'))).code).toBe('EINVAL');
  });

  test('GRAPH-21: a node that nobody uses any more is closed, another one goes back to the main loop', async () => {
    const blk = await BlockBackend.open(
      { driver: 'x-probe', 'node-name': 'mine' },
      { context: context() },
    );
    const old = blk.root;
    await add('owned');
    await replaceNode('mine', 'owned');
    expect([old?.isClosed, blk.root?.name]).toEqual([true, 'owned']);
    expect(nodeOf('owned').context).toBe(context());
    await add('next');
    await replaceNode('owned', 'next');
    expect(nodeOf('owned').context.name).toBe('main');
    expect(await contentOf(blk, 0, 1)).toBe('\0');
  });

  test('GRAPH-22: drop filter: its parents get its child, and its own link goes', async () => {
    await add('disk');
    await add('filter', { filter: true, file: 'disk' });
    await add('over', { backing: 'filter' });
    const blk = await open('filter');
    await blk.pwrite(65536, Buffer.from('kept'));
    await underLoad(blk, async () => {
      expect((await refused(() => dropFilter('over'))).code).toBe('EINVAL');
      await dropFilter('filter');
    });
    expect(links()).toEqual(['-.root -> disk', 'over.backing -> disk']);
    expect(nodeOf('filter').children).toEqual([]);
    expect(await contentOf(blk, 65536, 4)).toBe('kept');
  });

  test('GRAPH-23: drop intermediate: overlays stand on base, and their headers say so', async () => {
    await addChain();
    await add('leaf', { backing: { driver: 'x-probe', 'node-name': 'ov', backing: 'top' } });
    const blk = await open('leaf');
    expect(nodeOf('ov').readOnly).toBe(true);
    expect((await refused(() => dropIntermediate('mid', 'top'))).code).toBe('EINVAL');
    await add('stranger');
    expect((await refused(() => dropIntermediate('top', 'stranger'))).code).toBe('EINVAL');
    freezeBackingChain('ov', 'top');
    expect((await refused(() => dropIntermediate('top', 'base'))).code).toBe('EPERM');
    thawBackingChain('ov', 'top');
    const commits = probe('ov').calls('reopenCommit');
    await underLoad(blk, () => dropIntermediate('top', 'base', 'base.img'));
    expect(nodeOf('ov').backing?.child.name).toBe('base');
    expect([probe('ov').header, probe('ov').headerUpdates]).toEqual(['base.img', 1]);
    // For its header it was writable for a moment.
    expect(probe('ov').calls('reopenCommit') - commits).toBe(2);
    expect(nodeOf('ov').readOnly).toBe(true);
    expect(await contentOf(blk, 0, 4)).toBe('llll');
    expect(await contentOf(blk, 65536, 3)).toBe('\0\0\0');
  });

  test('GRAPH-24: freezing marks every link of a chain, or none when one is frozen already', async () => {
    await addChain();
    await add('filter', { filter: true, file: 'top' });
    await open('filter');
    freezeBackingChain('mid', 'base');
    expect(frozen()).toBe(1);
    const before = graphDump();
    expect(codeThrown(() => freezeBackingChain('filter', 'base'))).toBe('EPERM');
    expect(graphDump()).toEqual(before);
    thawBackingChain('mid', 'base');
    freezeBackingChain('filter', 'base');
    expect(frozen()).toBe(3);
    expect((await refused(() => dropFilter('filter'))).code).toBe('EPERM');
    expect((await refused(() => setBackingFile('mid', null))).code).toBe('EPERM');
    thawBackingChain('filter', 'base');
    expect(frozen()).toBe(0);
    expect(codeThrown(() => thawBackingChain('top', 'base'))).toBe('ERR_BLOCK_USAGE');
    expect(codeThrown(() => freezeBackingChain('base', 'top'))).toBe('EINVAL');
  });

  test('GRAPH-33: overlays come and go in a loop under load', async () => {
    await add('disk');
    const blk = await open('disk', { name: 'd0' });
    await blk.pwrite(131072, Buffer.from('disk'));
    await underLoad(blk, async () => {
      for (let round = 0; round < 10; round += 1) {
        await add('overlay');
        await blockdevSnapshot({ node: 'd0', overlay: 'overlay' });
        expect(blk.root?.name).toBe('overlay');
        expect(await contentOf(blk, 131072, 4)).toBe('disk');
        await blockdevReopen([{ driver: 'x-probe', 'node-name': 'overlay', backing: null }]);
        await replaceNode('overlay', 'disk');
        await blockdevDel('overlay');
      }
    });
    expect(links()).toEqual(['d0.root -> disk']);
  });
});
