// Operations that must not touch a node, who says so, and for how long.
import { BLOCK_OPERATIONS } from '../../lib/graph/op-blockers.js';
import {
  BlockBackend,
  type BlockNode,
  type BlockOperation,
  type BlockReason,
  BlockUsageError,
  blockdevAdd,
  blockdevDel,
  blockResize,
  ProbeJob,
} from '../../lib/index.js';
import { dropMonitorNode, monitorNode } from '../support/nodes.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf } from '../support/requests.js';

const reasonOf = (message: string): BlockReason => ({ message });
const open = (name: string, settings = {}) =>
  BlockBackend.open(fastDisk({ 'node-name': name }), settings);

/** The operations that are blocked, in their order. */
const blocked = (blk: BlockBackend | BlockNode): BlockOperation[] =>
  BLOCK_OPERATIONS.filter((operation) => blk.opBlocked(operation) !== undefined);

test('OPB-1: there are 16 operations, each blocked by itself', async () => {
  expect(BLOCK_OPERATIONS).toHaveLength(16);
  expect(new Set(BLOCK_OPERATIONS)).toEqual(
    new Set([
      ...['backup-source', 'backup-target', 'change', 'commit-source', 'commit-target'],
      ...['dataplane', 'drive-del', 'eject', 'external-snapshot', 'internal-snapshot'],
      ...['internal-snapshot-delete', 'mirror-source', 'mirror-target', 'resize', 'stream'],
      'replace',
    ]),
  );
  await using blk = await open('n');
  const reason = reasonOf('because');
  for (const operation of BLOCK_OPERATIONS) {
    blk.opBlock(operation, reason);
    expect(blocked(blk)).toEqual([operation]);
    blk.opUnblock(operation, reason);
  }
  expect(() => blk.opBlock('reading' as never, reason)).toThrow(BlockUsageError);
  expect(blocked(blk)).toEqual([]);
});

test('OPB-2: the latest reason is told, after the name of the node that is busy', async () => {
  await using blk = await open('n');
  const first = reasonOf('the first');
  const second = reasonOf('the second');
  expect(blk.opBlocked('resize')).toBeUndefined();
  blk.opBlock('resize', first);
  blk.opBlock('resize', second);
  expect(blk.opBlocked('resize')).toBe("Node 'n' is busy: the second");
  blk.setName('d0');
  expect(blk.opBlocked('resize')).toBe("Node 'd0' is busy: the second");
  blk.opUnblock('resize', second);
  expect(blk.opBlocked('resize')).toBe("Node 'd0' is busy: the first");
  blk.opUnblock('resize', first);
});

test('OPB-3: unblocking takes every entry of that very reason; an unknown one is nothing', async () => {
  await using blk = await open('n');
  const reason = reasonOf('same text');
  const other = reasonOf('same text');
  blk.opBlock('eject', reason);
  blk.opBlock('eject', other);
  blk.opBlock('eject', reason);
  blk.opBlock('change', reason);
  blk.opUnblock('eject', reasonOf('same text'));
  expect(blocked(blk)).toEqual(['change', 'eject']);
  blk.opUnblock('eject', reason);
  expect(blocked(blk)).toEqual(['change', 'eject']);
  blk.opUnblock('eject', other);
  expect(blocked(blk)).toEqual(['change']);
  blk.opUnblock('change', reason);
  expect(blocked(blk)).toEqual([]);
});

test('OPB-4: block-all adds the reason to all 16, unblock-all takes it from all', async () => {
  await using blk = await open('n');
  const all = reasonOf('all');
  const one = reasonOf('one');
  blk.opBlock('stream', one);
  blk.opBlockAll(all);
  expect(blocked(blk)).toHaveLength(16);
  expect(blk.opBlocked('stream')).toContain('all');
  blk.opUnblockAll(all);
  expect(blocked(blk)).toEqual(['stream']);
  blk.opUnblockAll(one);
  expect(blocked(blk)).toEqual([]);
});

test('OPB-5: on an empty backend nothing is blocked, and nothing is remembered', async () => {
  await using holder = await open('n');
  await using blk = new BlockBackend();
  const reason = reasonOf('because');
  blk.opBlock('resize', reason);
  blk.opBlockAll(reason);
  expect(blocked(blk)).toEqual([]);
  await blk.insert('n');
  expect([blocked(blk), blocked(holder)]).toEqual([[], []]);
  await blk.remove();
  blk.opUnblock('resize', reason);
  blk.opUnblockAll(reason);
  expect(blocked(blk)).toEqual([]);
});

test('OPB-6: a backing file is blocked but for commit target, stream and backup, until it is none', async () => {
  await using base = await open('base', { permissions: ['consistent-read'] });
  const own = reasonOf('own');
  base.opBlock('resize', own);
  const over = (name: string) =>
    BlockBackend.open({ driver: 'x-probe', 'node-name': name, backing: 'base' });
  const one = await over('one');
  const allowed = ['backup-source', 'backup-target', 'commit-target', 'stream'];
  const others = BLOCK_OPERATIONS.filter((operation) => !allowed.includes(operation));
  expect([others.length, blocked(base)]).toEqual([12, others]);
  expect(base.opBlocked('replace')).toBe(
    "Node 'base' is busy: node is used as backing hd of 'one'",
  );
  // Another overlay has a reason of its own.
  const two = await over('two');
  two.setName('d2');
  await one.close();
  expect(base.opBlocked('replace')).toContain("node is used as backing hd of 'two'");
  expect(blocked(base)).toEqual(others);
  await two.close();
  expect(blocked(base)).toEqual(['resize']);
  base.opUnblock('resize', own);
  expect(blocked(base)).toEqual([]);
  // Only backing files: a protocol node is no such thing.
  await using top = await BlockBackend.open({ driver: 'raw', file: 'base' });
  expect([blocked(base), blocked(top)]).toEqual([[], []]);
});

test('OPB-7: what would close a blocked node is a usage error and does nothing', async () => {
  await using blk = await BlockBackend.open({
    driver: 'raw',
    'node-name': 'top',
    file: fastDisk({ 'node-name': 'below' }),
  });
  const node = blk.root as BlockNode;
  const below = node.children[0]?.edge.child as BlockNode;
  await using spare = await open('spare');
  const reason = reasonOf('because');
  for (const blocker of [node, below]) {
    blocker.blockers.block('eject', reason);
    const attempts = [
      () => blk.remove(),
      () => blk.unref(),
      () => blk.close(),
      () => blk.replaceRoot('spare'),
      () => BlockBackend.removeAllRoots(),
      () => BlockBackend.closeAll(),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toBeInstanceOf(BlockUsageError);
      expect([blk.root, blk.references, node.isClosed]).toEqual([node, 1, false]);
    }
    blocker.blockers.unblock('eject', reason);
  }
  // A node that stays may stay blocked.
  await using second = await BlockBackend.open('top');
  blk.opBlock('eject', reason);
  await second.close();
  expect(blk.opBlocked('eject')).toContain('because');
  blk.opUnblock('eject', reason);
  expect([await codeOf(blk.remove()), spare.root?.name]).toEqual(['none', 'spare']);
});

test('OPB-8: a job blocks by its own reason: its node cannot be deleted until it ends', async () => {
  const node = await blockdevAdd(fastDisk({ 'node-name': 'n' }));
  const job = new ProbeJob('job');
  await job.attach(node);
  const reason = reasonOf('block device is in use by block job: mirror');
  node.blockers.blockAll(reason);
  await expect(blockdevDel('n')).rejects.toMatchObject({
    code: 'EBUSY',
    message: expect.stringContaining("Node 'n' is busy: block device is in use by block job"),
  });
  expect([node.isClosed, blocked(node).length]).toEqual([false, 16]);
  node.blockers.unblockAll(reason);
  // The job itself still uses it.
  expect(await codeOf(blockdevDel('n'))).toBe('EBUSY');
  await job.detach();
  await blockdevDel('n');
  expect(node.isClosed).toBe(true);
});

test('OPB-8: a node that a job blocks is not resized: it is in use', async () => {
  const node = await blockdevAdd({ driver: 'x-probe', 'node-name': 'n', size: 1 << 20 });
  const reason = reasonOf('block device is in use by block job: stream');
  node.blockers.blockAll(reason);
  const resized = blockResize({ 'node-name': 'n', size: 1 << 21 });
  await expect(resized).rejects.toMatchObject({
    code: 'EBUSY',
    message: expect.stringContaining('in use'),
  });
  expect([node.info().length, node.parents.length]).toEqual([1 << 20, 0]);
  node.blockers.unblockAll(reason);
  await blockResize({ 'node-name': 'n', size: 1 << 21 });
  expect(node.info().length).toBe(1 << 21);
  await blockdevDel('n');
});

test('OPB-8: blockdev-del of a backing node names why it is busy', async () => {
  const base = await blockdevAdd(fastDisk({ 'node-name': 'base' }));
  await blockdevAdd({ driver: 'x-probe', 'node-name': 'top', backing: 'base' });
  await expect(blockdevDel('base')).rejects.toThrow('is busy: node is used as backing hd');
  expect(base.isClosed).toBe(false);
  await blockdevDel('top');
  await blockdevDel('base');
  expect(base.isClosed).toBe(true);
});

test('OPB-9: blockers stay with the node when a backend goes to another', async () => {
  const first = await monitorNode(fastDisk({ 'node-name': 'first' }));
  await using second = await open('second');
  await using blk = await BlockBackend.open('first');
  const reason = reasonOf('because');
  blk.opBlockAll(reason);
  await blk.replaceRoot('second');
  expect([blocked(blk), blocked(second), blocked(first).length]).toEqual([[], [], 16]);
  await blk.replaceRoot('first');
  expect(blocked(blk)).toHaveLength(16);
  await blk.remove();
  expect(blocked(first)).toHaveLength(16);
  first.blockers.unblockAll(reason);
  const job = new ProbeJob('job');
  await job.attach(first);
  expect(blocked(first)).toEqual([]);
  await job.detach();
  await dropMonitorNode(first);
});
