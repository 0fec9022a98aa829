// Names of devices and nodes, finding by them, and walks over backends and nodes.

import { graph } from '../../lib/graph/graph.js';
import {
  AioContext,
  BlockBackend,
  type BlockNode,
  BlockUsageError,
  lookupNode,
  ProbeJob,
  topLevelNodes,
} from '../../lib/index.js';
import { dropMonitorNode, monitorNode as heldByMonitor } from '../support/nodes.js';
import { fastDisk } from '../support/null-disk.js';
import { codeOf, codeThrown } from '../support/requests.js';
import { until } from '../support/waiting.js';

const named = (name: string) => new BlockBackend({ name });
const openNode = (name: string, settings = {}) =>
  BlockBackend.open(fastDisk({ 'node-name': name }), settings);

const monitorNode = (name: string) => heldByMonitor(fastDisk({ 'node-name': name }));

const names = (nodes: Iterable<BlockNode>): string[] => [...nodes].map(({ name }) => name);

afterEach(() => {
  expect([BlockBackend.all().length, graph().nodes.size]).toEqual([0, 0]);
});

describe('device names', () => {
  test('NAME-1: naming a named backend, or making one with an empty name, is a usage error', async () => {
    await using blk = named('d0');
    expect(() => blk.setName('d1')).toThrow(BlockUsageError);
    expect(() => blk.setName('d0')).toThrow(BlockUsageError);
    expect(blk.name).toBe('d0');
    expect(BlockBackend.byName('d1')).toBeUndefined();
    expect(() => new BlockBackend({ name: '' })).toThrow(BlockUsageError);
    await expect(BlockBackend.open(fastDisk(), { name: '' })).rejects.toThrow(BlockUsageError);
    expect(BlockBackend.all()).toEqual([blk]);
  });

  test.each(['a', 'Z9', 'a-b._c'])(
    'NAME-2: %s is a name, of a device and of a node',
    async (name) => {
      await using blk = new BlockBackend();
      blk.setName(name);
      expect(BlockBackend.byName(name)).toBe(blk);
      blk.setName('');
      await using other = await openNode(name);
      expect(other.root?.name).toBe(name);
    },
  );

  test.each(['1a', '_a', '#b', 'a b', 'a/b', 'é', ' ', 'aé'])(
    'NAME-2: %j is refused, and the backend stays unnamed',
    async (name) => {
      await using blk = new BlockBackend();
      expect(codeThrown(() => blk.setName(name))).toBe('EINVAL');
      expect(() => blk.setName(name)).toThrow('Invalid device name');
      expect(blk.name).toBe('');
      expect(BlockBackend.named()).toEqual([]);
      expect(await codeOf(openNode(name))).toBe('EINVAL');
    },
  );

  test('NAME-2: the empty name of a node is refused', async () => {
    expect(await codeOf(openNode(''))).toBe('EINVAL');
  });

  test('NAME-3: a name of a named backend is taken; d0 and D0 are two names', async () => {
    await using lower = named('d0');
    await using upper = named('D0');
    await using blk = new BlockBackend();
    expect(codeThrown(() => blk.setName('d0'))).toBe('EINVAL');
    expect(blk.name).toBe('');
    expect(['d0', 'D0'].map((name) => BlockBackend.byName(name))).toEqual([lower, upper]);
  });

  test('NAME-4: a device cannot have the name of a node', async () => {
    await using first = await openNode('n0');
    await using blk = new BlockBackend();
    expect(codeThrown(() => blk.setName('n0'))).toBe('EINVAL');
    expect(codeThrown(() => named('n0'))).toBe('EINVAL');
    expect([blk.name, first.root?.name]).toEqual(['', 'n0']);
  });

  test('NAME-5: a node cannot have the name of a device', async () => {
    await using blk = named('d0');
    expect(await codeOf(openNode('d0'))).toBe('EINVAL');
    expect([graph().nodes.size, BlockBackend.byName('d0')]).toEqual([0, blk]);
  });

  test('NAME-6: a node name has at most 31 bytes, a device name no limit', async () => {
    const name = 'n'.repeat(31);
    await using blk = await openNode(name);
    expect(blk.root?.name).toBe(name);
    expect(await codeOf(openNode(`${name}n`))).toBe('EINVAL');
    await using long = named('d'.repeat(1000));
    expect(long.name).toHaveLength(1000);
  });

  test('NAME-7: first the shape is looked at, then devices, then nodes', async () => {
    const check = (name: string) => () => graph().names.checkDevice(name);
    const { names } = graph();
    // What users cannot give both a device and a node, tests can.
    await using blk = named('both');
    names.setNode('both', undefined as never);
    names.setNode('1x', undefined as never);
    names.setNode('node', undefined as never);
    expect(check('1x')).toThrow('Invalid device name');
    expect(check('both')).toThrow("a device is named 'both'");
    expect(check('node')).toThrow("a node is named 'node'");
    for (const name of ['both', '1x', 'node']) names.removeNode(name);
    expect(blk.name).toBe('both');
  });

  test('NAME-8: taking the name of an unnamed backend is nothing; a freed name can be used', async () => {
    await using blk = named('d0');
    blk.setName('');
    blk.setName('');
    expect([blk.name, BlockBackend.byName('d0')]).toEqual(['', undefined]);
    await using next = named('d0');
    expect(BlockBackend.byName('d0')).toBe(next);
    // The first has no name any more that it could take with it.
    blk.setName('');
    expect(BlockBackend.byName('d0')).toBe(next);
  });

  test('NAME-9: the name is empty exactly while the monitor does not know the backend', async () => {
    const blk = new BlockBackend();
    const seen = [blk.name];
    blk.setName('d0');
    seen.push(blk.name);
    blk.setName('');
    seen.push(blk.name);
    blk.setName('d1');
    await blk.close();
    seen.push(blk.name);
    expect(seen).toEqual(['', 'd0', '', '']);
  });

  test('NAME-10: a name finds named backends, a device any; an id or a path finds it, too', async () => {
    await using blk = new BlockBackend();
    await using other = named('d0');
    const device = {};
    blk.attachDevice(device, 'ide0', '/machine/peripheral/ide0');
    expect([BlockBackend.byName(''), BlockBackend.byName('ide0')]).toEqual([undefined, undefined]);
    expect(BlockBackend.byName('d0')).toBe(other);
    expect(BlockBackend.byDevice(device)).toBe(blk);
    expect(BlockBackend.byDevice({})).toBeUndefined();
    expect(BlockBackend.byDeviceId('ide0')).toBe(blk);
    expect(BlockBackend.byDeviceId('/machine/peripheral/ide0')).toBe(blk);
    for (const id of ['', 'ide1', 'd0']) {
      expect(codeThrown(() => BlockBackend.byDeviceId(id))).toBe('ENODEV');
    }
    await blk.detachDevice(device);
    expect(codeThrown(() => BlockBackend.byDeviceId('ide0'))).toBe('ENODEV');
    expect(codeThrown(() => BlockBackend.byDeviceId('/machine/peripheral/ide0'))).toBe('ENODEV');
  });

  test('NAME-11: named() is in the order of naming; a new name moves to the end', async () => {
    await using a = new BlockBackend();
    await using b = named('b');
    await using c = named('c');
    a.setName('a');
    expect(BlockBackend.named()).toEqual([b, c, a]);
    b.setName('');
    b.setName('b');
    expect(BlockBackend.named()).toEqual([c, a, b]);
  });

  test('NAME-12: all() is in the order of creation, whatever the names', async () => {
    await using a = new BlockBackend();
    await using b = named('b');
    await using c = new BlockBackend();
    c.setName('c');
    a.setName('a');
    b.setName('');
    expect(BlockBackend.all()).toEqual([a, b, c]);
  });

  test('NAME-13: naming takes no reference, taking the name drops none', async () => {
    await using blk = new BlockBackend();
    blk.setName('d0');
    expect(blk.references).toBe(1);
    blk.setName('');
    expect(blk.references).toBe(1);
  });

  test('NAME-14: what errors call it: its name, else its device, else nothing', async () => {
    await using blk = await BlockBackend.open(fastDisk({ 'node-name': 'n' }), {
      shared: ['consistent-read'],
    });
    const refusal = () =>
      BlockBackend.open('n', { permissions: ['write'] }).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(blk.describe()).toBe('an unnamed block device');
    expect(await refusal()).toContain('which an unnamed block device, using');
    blk.attachDevice({}, '', '/machine/unattached/device[3]');
    expect(blk.describe()).toBe("block device '/machine/unattached/device[3]'");
    await blk.detachDevice(blk.device as object);
    // The device took the permissions with it (DEV-4).
    await blk.setPermissions([], ['consistent-read']);
    blk.attachDevice({}, 'virtio0', '/machine/peripheral/virtio0');
    expect(await refusal()).toContain("block device 'virtio0'");
    blk.setName('d0');
    expect(await refusal()).toContain("block device 'd0'");
  });

  test('NAME-15: a node is called after its newest parent with a name, else after itself', async () => {
    await using first = await openNode('n');
    const node = first.root as BlockNode;
    expect([node.parentDeviceName, node.deviceOrNodeName]).toEqual(['', 'n']);
    await using second = await BlockBackend.open('n', { name: 'second' });
    first.setName('first');
    await using third = await BlockBackend.open('n');
    expect([node.parentDeviceName, node.deviceOrNodeName]).toEqual(['second', 'second']);
    third.setName('third');
    expect(node.deviceOrNodeName).toBe('third');
    third.setName('');
    second.setName('');
    expect(node.deviceOrNodeName).toBe('first');
  });
});

describe('top-level nodes', () => {
  test('NAME-16: roots in the order of backends; a shared one when its newest backend comes', async () => {
    await using a = new BlockBackend();
    await using b = await openNode('only-b');
    await using c = await openNode('shared');
    await using d = await openNode('only-d');
    expect(names(topLevelNodes())).toEqual(['only-b', 'shared', 'only-d']);
    await using e = await BlockBackend.open('shared');
    expect(names(topLevelNodes())).toEqual(['only-b', 'only-d', 'shared']);
    // The oldest backend is the newest parent now.
    await a.insert('shared');
    expect(names(topLevelNodes())).toEqual(['shared', 'only-b', 'only-d']);
    const roots = [a, b, c, d, e].map(({ root }) => root?.name);
    expect(roots).toEqual(['shared', 'only-b', 'shared', 'only-d', 'shared']);
  });

  test('NAME-17: then what only the monitor holds, in its order; children never', async () => {
    const two = await monitorNode('monitor2');
    const one = await monitorNode('monitor1');
    const both = await monitorNode('both');
    const job = new ProbeJob('job');
    await job.attach(one);
    await using top = await BlockBackend.open({
      driver: 'raw',
      'node-name': 'top',
      file: fastDisk({ 'node-name': 'below' }),
    });
    await using user = await BlockBackend.open('both');
    expect(names(topLevelNodes())).toEqual(['top', 'both', 'monitor2', 'monitor1']);
    expect([top.root?.name, user.root]).toEqual(['top', both]);
    await user.close();
    expect(names(topLevelNodes())).toEqual(['top', 'monitor2', 'monitor1', 'both']);
    await job.detach();
    for (const node of [one, two, both]) await dropMonitorNode(node);
  });

  test('NAME-18: backend and node are held between steps, and counts are back after an early end', async () => {
    await using a = await openNode('a');
    await using b = await openNode('b');
    const monitor = await monitorNode('m');
    const counts = () => [a, b].flatMap((blk) => [blk.references, blk.root?.references ?? -1]);
    for (const node of topLevelNodes()) {
      expect(counts()).toEqual(node === a.root ? [2, 1, 1, 0] : [1, 0, 2, 1]);
      if (node === b.root) break;
    }
    expect(counts()).toEqual([1, 0, 1, 0]);
    expect(() => {
      for (const node of topLevelNodes()) throw new Error(node.name);
    }).toThrow('a');
    expect(counts()).toEqual([1, 0, 1, 0]);
    {
      using walk = topLevelNodes();
      walk.next();
      walk.next();
      expect(walk.next().value).toBe(monitor);
      expect([...counts(), monitor.references]).toEqual([1, 0, 1, 0, 1]);
    }
    expect([...counts(), monitor.references]).toEqual([1, 0, 1, 0, 0]);
    const walk = topLevelNodes();
    walk.next();
    walk.return();
    expect(walk.next()).toEqual({ done: true, value: undefined });
    expect(counts()).toEqual([1, 0, 1, 0]);
    await dropMonitorNode(monitor);
  });

  test('NAME-18: what is closed meanwhile stays until the next step', async () => {
    const a = await openNode('a', { name: 'device-a' });
    await using b = await openNode('b');
    const node = a.root as BlockNode;
    const walk = topLevelNodes();
    expect(walk.next().value).toBe(node);
    await a.close();
    expect([a.references, a.root, node.isClosed, a.isClosed]).toEqual([1, node, false, false]);
    expect(BlockBackend.all()).toEqual([a, b]);
    expect(walk.next().value).toBe(b.root);
    await until(() => node.isClosed && a.isClosed);
    expect([a.references, BlockBackend.all()]).toEqual([0, [b]]);
    walk.return();
    const monitor = await monitorNode('m');
    for (const each of topLevelNodes()) {
      if (each !== monitor) continue;
      await dropMonitorNode(monitor);
      expect(monitor.isClosed).toBe(false);
    }
    await until(() => monitor.isClosed);
  });
});

describe('nodes', () => {
  test('NAME-19: a generated name is #block, a counter and two digits; it only refers', async () => {
    await using blk = await BlockBackend.open(fastDisk());
    const name = blk.root?.name ?? '';
    expect(name).toMatch(/^#block\d+\d\d$/);
    expect(await codeOf(openNode(name))).toBe('EINVAL');
    expect(codeThrown(() => named(name))).toBe('EINVAL');
    await using same = await BlockBackend.open(name);
    expect(same.root).toBe(blk.root);
    await using next = await BlockBackend.open(fastDisk());
    const counter = (text: string) => Number(text.slice('#block'.length, -2));
    expect(counter(next.root?.name ?? '')).toBe(counter(name) + 1);
  });

  test('NAME-20: has a backend: one parent is one; is a root: all parents are, or there are none', async () => {
    const of = ({ hasBackend, isRootNode }: BlockNode) => [hasBackend, isRootNode];
    const node = await monitorNode('n');
    expect(of(node)).toEqual([false, true]);
    await using blk = await BlockBackend.open('n');
    expect(of(node)).toEqual([true, true]);
    await using above = await BlockBackend.open({ driver: 'raw', file: 'n' });
    expect(of(node)).toEqual([true, false]);
    await blk.close();
    expect(of(node)).toEqual([false, false]);
    expect(of(above.root as BlockNode)).toEqual([true, true]);
    await above.close();
    await dropMonitorNode(node);
  });

  test('NAME-21: the device comes first, an empty one is an error, and one error names both', async () => {
    await using blk = await openNode('n', { name: 'd0' });
    await using other = await openNode('other');
    await using empty = named('empty');
    expect(lookupNode('d0', 'other')).toBe(blk.root);
    expect(lookupNode('d0')).toBe(blk.root);
    expect(lookupNode(undefined, 'n')).toBe(blk.root);
    expect(lookupNode('unknown', 'other')).toBe(other.root);
    expect(() => lookupNode('empty', 'other')).toThrow("Device 'empty' has no medium");
    expect(codeThrown(() => lookupNode('empty', 'other'))).toBe('ENOMEDIUM');
    const message = (device?: string, node?: string) => {
      expect(codeThrown(() => lookupNode(device, node))).toBe('ENOENT');
      return () => lookupNode(device, node);
    };
    expect(message('x', 'y')).toThrow("Cannot find device='x' nor node-name='y'");
    expect(message('x')).toThrow("Cannot find device='x' nor node-name=''");
    expect(message(undefined, 'd0')).toThrow("Cannot find device='' nor node-name='d0'");
    expect(empty.context).toBe(AioContext.main);
  });
});
