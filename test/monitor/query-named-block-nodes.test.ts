// What query-named-block-nodes shows, here and in the genuine program.
import {
  BlockBackend,
  type BlockDeviceInfo,
  blockDirtyBitmapAdd,
  blockdevAdd,
  blockdevDel,
  queryNamedBlockNodes,
} from '../../lib/index.js';
import { comparable } from '../support/comparable.js';
import { type Setup, setUpGenuine, withSetup } from '../support/genuine-nodes.js';
import { STORAGE_DAEMON, startStorageDaemon, withGenuine } from '../support/genuine-qemu.js';
import { clearGraph } from '../support/graph.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { fastDisk } from '../support/null-disk.js';
import { describeWith } from '../support/tools.js';

const MIB = 1 << 20;

afterEach(clearGraph);

onEveryEngineAndHome((context) => {
  test('QRY-8: every node, newest first; flat leaves out what it stands on', async () => {
    await blockdevAdd(fastDisk({ 'node-name': 'base', 'read-zeroes': true }));
    await using _blk = await BlockBackend.open(
      { driver: 'x-probe', file: fastDisk(), backing: 'base' },
      { context: context() },
    );
    await blockdevAdd({ driver: 'x-probe', 'node-name': 'top', backing: 'base' });
    const nodes = await queryNamedBlockNodes();
    expect(nodes.map((node) => node['node-name'])).toEqual([
      'top',
      expect.stringMatching(/^#block/),
      expect.stringMatching(/^#block/),
      'base',
    ]);
    const [top] = nodes;
    const name = 'json:{"driver": "null-co", "size": 1048576, "read-zeroes": true}';
    expect(top).toMatchObject({
      backing_file: name,
      backing_file_depth: 1,
      image: { format: 'x-probe', 'backing-image': { filename: name, format: 'null-co' } },
    });
    const [flat] = await queryNamedBlockNodes({ flat: true });
    expect(flat).toMatchObject({ backing_file: name, backing_file_depth: 0 });
    expect(flat?.image).not.toHaveProperty('backing-image');
    expect(await queryNamedBlockNodes({ flat: true })).toHaveLength(4);
    await blockdevDel('top');
  });

  test('QRY-8: nodes that come and go while their hosts are asked', async () => {
    const options = (name: string) => ({
      driver: 'file',
      'node-name': name,
      filename: image(MIB),
    });
    await blockdevAdd(options('stays'));
    await blockdevAdd(options('goes'));
    const asked = queryNamedBlockNodes();
    await Promise.all([blockdevDel('goes'), blockdevAdd(options('comes'))]);
    for (const node of await asked) expect(node.image).toHaveProperty('actual-size');
    const names = (await queryNamedBlockNodes()).map((node) => node['node-name']);
    expect(names).toEqual(['comes', 'stays']);
  });
});

describeWith([STORAGE_DAEMON], 'query-named-block-nodes, genuine', () => {
  const file = (more: object = {}) => ({
    driver: 'file',
    filename: image(3 * MIB + 4096),
    ...more,
  });
  const setUp = (): Setup => ({
    groups: { group: { 'bps-total': 1000, 'bps-total-max': 2000 } },
    nodes: [
      {
        driver: 'raw',
        'node-name': 'raw',
        'detect-zeroes': 'unmap',
        discard: 'unmap',
        file: file({ 'node-name': 'file', cache: { direct: true } }),
      },
      { driver: 'throttle', 'node-name': 'throttle', 'throttle-group': 'group', file: 'raw' },
      { driver: 'raw', 'node-name': 'above', 'detect-zeroes': 'on', file: 'throttle' },
      { driver: 'copy-on-read', 'node-name': 'cor', file: 'above' },
      {
        driver: 'raw',
        'node-name': 'window',
        offset: 512,
        size: 1536,
        'read-only': true,
        cache: { 'no-flush': true },
        file: file({ 'read-only': false, 'auto-read-only': true }),
      },
      { driver: 'null-co', 'node-name': 'null', size: 1000 },
      { driver: 'null-aio', 'node-name': 'aio', 'read-only': true, 'force-share': true },
      { driver: 'raw', 'node-name': 'raw-null', file: 'null' },
    ],
  });
  const both = async (setup: Setup): Promise<[ours: unknown, genuine: unknown]> => {
    const genuine = await withGenuine(startStorageDaemon(), async (qmp) => {
      await setUpGenuine(qmp, setup);
      const bitmap = { node: 'null', name: 'b', granularity: 512, disabled: true };
      await qmp.execute('block-dirty-bitmap-add', bitmap);
      return [
        await qmp.execute('query-named-block-nodes'),
        await qmp.execute('query-named-block-nodes', { flat: true }),
      ];
    });
    const ours = await withSetup(setup, async () => {
      blockDirtyBitmapAdd({ node: 'null', name: 'b', granularity: 512, disabled: true });
      return [await queryNamedBlockNodes(), await queryNamedBlockNodes({ flat: true })];
    });
    return [ours, genuine];
  };

  test('QRY-8: nodes are shown as the genuine program shows them', async () => {
    const [ours, genuine] = await both(setUp());
    expect(comparable(ours)).toEqual(comparable(genuine));
    expect((ours as BlockDeviceInfo[][])[0]).toHaveLength(10);
  });

  test('QRY-8: of debugging filters, what they occupy is all that the genuine program keeps back', async () => {
    const [ours, genuine] = await both({
      nodes: [
        { driver: 'null-co', 'node-name': 'null' },
        file({ 'node-name': 'file' }),
        { driver: 'blkdebug', 'node-name': 'debug', align: 4096, image: 'file' },
        { driver: 'blkdebug', 'node-name': 'debug-null', image: 'null' },
        { driver: 'raw', 'node-name': 'raw', file: 'debug' },
        { driver: 'blkverify', 'node-name': 'verify', raw: 'file', test: 'raw' },
      ],
    });
    const drop = ['actual-size'];
    expect(comparable(ours, drop)).toEqual(comparable(genuine, drop));
  });
});
