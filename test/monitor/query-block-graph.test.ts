// What x-debug-query-block-graph shows, here and in the genuine program.
import {
  BlockBackend,
  blockdevAdd,
  ProbeJob,
  type XDbgBlockGraph,
  xDebugQueryBlockGraph,
} from '../../lib/index.js';
import { comparable } from '../support/comparable.js';
import { drivesOfQemu, withDrives } from '../support/genuine-drives.js';
import { type Setup, setUpGenuine, withSetup } from '../support/genuine-nodes.js';
import {
  QEMU,
  STORAGE_DAEMON,
  startQemu,
  startStorageDaemon,
  withGenuine,
} from '../support/genuine-qemu.js';
import { clearGraph } from '../support/graph.js';
import { image } from '../support/images.js';
import { fastDisk } from '../support/null-disk.js';
import { describeWith } from '../support/tools.js';

afterEach(clearGraph);

/** The graph without ids: 'type name', and 'parent -name-> child, permissions / shared'. */
function readable({ nodes, edges }: XDbgBlockGraph): string[] {
  const names = new Map(nodes.map(({ id, type, name }) => [id, `${type} ${name}`]));
  expect(names.size).toBe(nodes.length);
  const links = edges.map(({ parent, child, name, perm, 'shared-perm': shared }) => {
    const bits = [[...perm].sort().join(), [...shared].sort().join()].join(' / ');
    return `${names.get(parent)} -${name}-> ${names.get(child)}, ${bits}`;
  });
  return [...names.values(), ...links].sort();
}

describe('x-debug-query-block-graph', () => {
  test('x-debug-query-block-graph: backends, jobs and nodes with what their edges need and share', async () => {
    await blockdevAdd(fastDisk({ 'node-name': 'disk' }));
    await using _blk = await BlockBackend.open('disk', { name: 'd', shared: ['consistent-read'] });
    await using nameless = await BlockBackend.open('disk', { permissions: [] });
    nameless.attachDevice({}, '', '/machine/disk');
    const graph = xDebugQueryBlockGraph();
    const all = 'consistent-read,resize,write,write-unchanged';
    expect(readable(graph)).toEqual([
      'block-backend /machine/disk',
      `block-backend /machine/disk -root-> block-driver disk,  / ${all}`,
      'block-backend d',
      'block-backend d -root-> block-driver disk, consistent-read,write / consistent-read',
      'block-driver disk',
    ]);
    expect(new Set(graph.nodes.map(({ id }) => id))).toEqual(new Set([1, 2, 3]));
    expect(Object.isFrozen(graph.edges[0])).toBe(true);
  });

  test('x-debug-query-block-graph: a job is among the users', async () => {
    const node = await blockdevAdd(fastDisk({ 'node-name': 'disk' }));
    const job = new ProbeJob('job0');
    await job.attach(node);
    const all = 'consistent-read,resize,write,write-unchanged';
    expect(readable(xDebugQueryBlockGraph())).toEqual([
      'block-driver disk',
      'block-job job0',
      `block-job job0 -${job.edges[0]?.name}-> block-driver disk,  / ${all}`,
    ]);
    await job.detach();
  });
});

describeWith([STORAGE_DAEMON], 'x-debug-query-block-graph, genuine', () => {
  test('x-debug-query-block-graph: the genuine program numbers and lists the same', async () => {
    const file = { driver: 'file', filename: image(1 << 20) };
    const setup: Setup = {
      groups: { group: { 'iops-total': 1000 } },
      nodes: [
        { driver: 'raw', 'node-name': 'raw', file: { ...file, 'node-name': 'file' } },
        { driver: 'throttle', 'node-name': 'throttle', 'throttle-group': 'group', file: 'raw' },
        { driver: 'copy-on-read', 'node-name': 'cor', file: 'throttle' },
        { driver: 'null-co', 'node-name': 'null' },
        {
          driver: 'blkdebug',
          'node-name': 'debug',
          image: 'null',
          'take-child-perms': ['write'],
          'unshare-child-perms': ['resize'],
        },
        { driver: 'blkverify', 'node-name': 'verify', raw: 'null', test: 'file' },
        { driver: 'raw', 'node-name': 'window', offset: 512, file: 'file', 'read-only': true },
      ],
    };
    const genuine = await withGenuine(startStorageDaemon(), async (qmp) => {
      await setUpGenuine(qmp, setup);
      return qmp.execute<XDbgBlockGraph>('x-debug-query-block-graph');
    });
    const ours = await withSetup(setup, () => xDebugQueryBlockGraph());
    // Nodes that nobody uses hold nothing here (PERM-17).
    const drop = ['perm', 'shared-perm'];
    expect(comparable(ours, drop)).toEqual(comparable(genuine, drop));
    expect(ours.edges).toHaveLength(7);
  });
});

describeWith([QEMU], 'x-debug-query-block-graph of drives, genuine', () => {
  test('x-debug-query-block-graph: below equal users, edges need and share the same', async () => {
    const images = { writable: image(1 << 20), readOnly: image(1 << 20) };
    const genuine = await withGenuine(startQemu(drivesOfQemu(images)), (qmp) =>
      qmp.execute<XDbgBlockGraph>('x-debug-query-block-graph'),
    );
    const ours = await withDrives(images, async () => {
      const users = genuine.nodes.filter(({ type }) => type === 'block-backend').reverse();
      for (const [index, blk] of BlockBackend.all().entries()) {
        const { perm, 'shared-perm': shared = [] } =
          genuine.edges.find(({ parent }) => parent === users[index]?.id) ?? {};
        if (perm !== undefined) await blk.setPermissions(perm, shared);
      }
      return xDebugQueryBlockGraph();
    });
    expect(comparable(ours)).toEqual(comparable(genuine));
    expect(ours.edges).toHaveLength(8);
  });
});
